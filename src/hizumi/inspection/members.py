"""Names of what lies in a detector's bundle, and the number of its format."""

FORMAT = 2
WEIGHTS = "weights.safetensors"
SCORES = "calibration.safetensors"
JOURNAL = "journal.jsonl"
CARD = "model-card.md"
SEEN = "seen.safetensors"
