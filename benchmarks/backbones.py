"""Bodies with weights of one's own against timm's and transformers', with the same random weights.

    make peers
    python -m benchmarks.backbones

timm and transformers make networks, files of weights and maps in the peers' environment; the files are loaded here.
"""

import argparse
import hashlib
import subprocess
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from hizumi.networks.photographs import standardised
from hizumi.networks.residual_network import ResidualNetwork
from hizumi.networks.vision_transformer import VisionTransformer
from hizumi.storage.tables import write_json

RESULTS = Path("benchmarks/results/backbones.json")
STAGES, BLOCKS = (1, 2, 3, 4), (6, 12)
CASES = (
    ("resnet18", "resnet18", (96, 160)),
    ("resnet50", "resnet50", (96, 160)),
    ("wide_resnet50", "wide_resnet50_2", (96, 160)),
    ("dinov2_small", "vit_small_patch14_dinov2", (518, 518)),
    ("dinov2_small", "vit_small_patch14_dinov2", (224, 224)),
    ("dinov2_base", "vit_base_patch14_dinov2", (224, 224)),
    ("resnet50", "transformers", (96, 160)),
    ("dinov2_small", "transformers", (518, 518)),
)
OF_TRANSFORMERS = """
import sys
import torch
from safetensors.torch import load_file, save_file
from transformers import Dinov2Config, Dinov2Model, ResNetConfig, ResNetForImageClassification

name, folder = sys.argv[1:]
torch.manual_seed(0)
images = load_file(f"{folder}/images.safetensors")["images"]
if name == "dinov2_small":
    model = Dinov2Model(Dinov2Config(hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14)).eval()
else:
    model = ResNetForImageClassification(ResNetConfig()).eval()
model.save_pretrained(folder)
with torch.no_grad():
    hidden = model(images, output_hidden_states=True).hidden_states
    if name == "dinov2_small":
        hidden = [model.layernorm(hidden[n])[:, 1:].transpose(1, 2).reshape(1, -1, 37, 37) for n in (6, 12)]
    else:
        hidden = hidden[1:]
save_file({str(number): each.contiguous() for number, each in enumerate(hidden)}, f"{folder}/maps.safetensors")
"""
OF_TIMM = """
import sys
import timm, torch
from safetensors.torch import load_file, save_file

name, folder = sys.argv[1:]
torch.manual_seed(0)
images = load_file(f"{folder}/images.safetensors")["images"]
is_transformer = name.startswith("vit")
model = timm.create_model(name, **({"dynamic_img_size": True} if is_transformer else {})).eval()
weights = {key: tensor.clone() for key, tensor in model.state_dict().items()}
save_file(weights, f"{folder}/model.safetensors")
with torch.no_grad():
    if is_transformer:
        maps = model.get_intermediate_layers(images, n=[5, 11], reshape=True, norm=True)
    else:
        stages = timm.create_model(name, features_only=True, out_indices=(1, 2, 3, 4)).eval()
        stages.load_state_dict({key: tensor for key, tensor in weights.items() if not key.startswith("fc.")})
        maps = stages(images)
save_file({str(number): each.contiguous() for number, each in enumerate(maps)}, f"{folder}/maps.safetensors")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=".venv-peers/bin/python", help="one that has timm and transformers")
    interpreter = parser.parse_args().python
    rows = [compared(ours, theirs, size, interpreter) for ours, theirs, size in CASES]
    write_json(RESULTS, {"largest_difference_relative_to_largest_value": rows})


def compared(ours: str, theirs: str, size: tuple[int, int], interpreter: str) -> dict[str, object]:
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with tempfile.TemporaryDirectory() as folder:
        save_file({"images": standardised(images)}, f"{folder}/images.safetensors")
        program = (OF_TRANSFORMERS, ours) if theirs == "transformers" else (OF_TIMM, theirs)
        subprocess.run([interpreter, "-c", *program, folder], check=True)
        weights = Path(folder, "model.safetensors")
        made, levels = (ResidualNetwork, STAGES) if "resnet" in ours else (VisionTransformer, BLOCKS)
        body = made(ours, levels, weights, hashlib.sha256(weights.read_bytes()).hexdigest())
        with torch.no_grad():
            maps = body(images)
        expected = load_file(f"{folder}/maps.safetensors")
    differences = [
        float((found - expected[str(number)]).abs().max() / expected[str(number)].abs().max())
        for number, found in enumerate(maps)
    ]
    row = {
        "network": ours,
        "theirs": theirs,
        "size": list(size),
        "by_level": dict(zip(levels, differences, strict=True)),
    }
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
