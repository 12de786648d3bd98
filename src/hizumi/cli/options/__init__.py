"""Arguments and options that several commands share, alone or in groups, and what they mean."""

from hizumi.cli.options.data import (
    Channels as Channels,
    Data as Data,
    RecordingArguments as RecordingArguments,
    Recursive as Recursive,
    RegionArguments as RegionArguments,
    SizingArguments as SizingArguments,
    SourceArguments as SourceArguments,
    Strict as Strict,
    Targets as Targets,
    VariationArguments as VariationArguments,
    parsed_image_size as parsed_image_size,
    parsed_window as parsed_window,
    refuse_absent as refuse_absent,
    refuse_all_absent as refuse_all_absent,
    series_option as series_option,
)
from hizumi.cli.options.files import (
    BundlePath as BundlePath,
    CsvTo as CsvTo,
    FailOnAnomaly as FailOnAnomaly,
    JsonTo as JsonTo,
    ModelPath as ModelPath,
    refuse_among_inputs as refuse_among_inputs,
    refuse_mixed as refuse_mixed,
    refuse_other_file as refuse_other_file,
    refuse_over_inputs as refuse_over_inputs,
    shown_place as shown_place,
    writable_folder as writable_folder,
    writable_folder_or_table as writable_folder_or_table,
)
from hizumi.cli.options.fit import (
    CostArguments as CostArguments,
    DetectorName as DetectorName,
    DetectorNames as DetectorNames,
    InspectorArguments as InspectorArguments,
    ModelName as ModelName,
    Preset as Preset,
    made_model as made_model,
    names_between_commas as names_between_commas,
    parsed_settings as parsed_settings,
)
from hizumi.cli.options.groups import grouped as grouped
from hizumi.cli.options.run import (
    Accelerator as Accelerator,
    On as On,
    RunArguments as RunArguments,
    Seed as Seed,
    Steps as Steps,
    TrainingArguments as TrainingArguments,
    WorkplaceArguments as WorkplaceArguments,
    done_on as done_on,
    refuse_missing as refuse_missing,
)
