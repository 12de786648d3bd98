"""Runs in MLflow: options as parameters, the journal as metrics, bundles as versions of a registered model."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hizumi.errors import MissingExtraError
from hizumi.runs.tracking.writer import Made, Metric, Outcome, Writer

EXPERIMENT = "hizumi"
SILENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
"""MLflow reports its use to its makers unless it is told not to."""
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""MLflow tries a server that does not answer seven times, ever more slowly: minutes, in which the training waits."""
AT_ONCE = 1000  # metrics that MLflow takes in one call
LONGEST = 6000  # characters of a parameter
STATUS: dict[Outcome, str] = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
SQLITE = "sqlite:///"


class MLflowWriter(Writer):
    """Writes to an MLflow server, or to the database that one would show.

    Args:
        address: A tracking URI, such as sqlite:///runs.db or http://host:5000. Files of a database in SQLite lie beside
            it, in a folder of its name. MLFLOW_EXPERIMENT_NAME names the experiment; "hizumi" otherwise.
    """

    def __init__(self, address: str) -> None:
        os.environ.update(SILENT)
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise MissingExtraError("--track mlflow needs more packages: pip install 'hizumi[mlflow]'") from error
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # no word on tables that it makes
        self.address = address
        self.client: Any = MlflowClient(tracking_uri=address)
        self.name = ""
        self.run = ""

    def begin(self, name: str, options: Mapping[str, str], earlier: str | None) -> str:
        """Begin a run, or set the earlier one running again."""
        from mlflow.entities import Param, RunStatus

        self.name = name
        if earlier is not None:
            self.run = earlier
            self.client.set_terminated(earlier, RunStatus.to_string(RunStatus.RUNNING))
            return earlier
        self.run = self.client.create_run(self._experiment(), run_name=name).info.run_id
        parameters = [Param(key, value[:LONGEST]) for key, value in options.items()]
        for first in range(0, len(parameters), 100):
            self.client.log_batch(self.run, params=parameters[first : first + 100])
        return self.run

    def write(self, metrics: Sequence[Metric]) -> None:
        """Add metrics, as of now."""
        from mlflow.entities import Metric as Entry

        now = int(1000 * time.time())
        entries = [Entry(metric.name, metric.value, now, metric.step) for metric in metrics]
        for first in range(0, len(entries), AT_ONCE):
            self.client.log_batch(self.run, metrics=entries[first : first + AT_ONCE])

    def keep(self, made: Made) -> None:
        """Log the bundle as an artifact of the run, and as a new version of the registered model of its name."""
        from mlflow.exceptions import MlflowException

        for name, value in made.numbers.items():
            self.client.log_metric(self.run, name, value)
        self.client.log_artifact(self.run, str(made.path))
        self.client.set_tag(self.run, "sha256", made.sha256)
        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{self.client.get_run(self.run).info.artifact_uri}/{made.path.name}"
        self.client.create_model_version(self.name, source, self.run, tags={"sha256": made.sha256})

    def end(self, outcome: Outcome) -> None:
        """Set the run's status."""
        self.client.set_terminated(self.run, STATUS[outcome])

    def _experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        found = self.client.get_experiment_by_name(name)
        return found.experiment_id if found is not None else self.client.create_experiment(name, self._beside())

    def _beside(self) -> str | None:
        """Where files of a database in SQLite go; a server knows its own place."""
        if not self.address.startswith(SQLITE):
            return None
        return Path(self.address.removeprefix(SQLITE)).resolve().with_suffix(".files").as_uri()
