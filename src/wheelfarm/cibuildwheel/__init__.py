"""The cibuildwheel engine: one flat configuration a build, and one run of the program.

cibuildwheel is told everything by a file of ours and nothing by the environment, so that neither the source's
own `[tool.cibuildwheel]` nor a variable of this machine has an effect.
"""

from wheelfarm.cibuildwheel.container import ContainerEngine, container_engine, default_image
from wheelfarm.cibuildwheel.engine import CONFIG, Cibuildwheel, volumes_of
from wheelfarm.cibuildwheel.options import check_effect, check_options, schema_path
from wheelfarm.cibuildwheel.quoting import command_line, escape_placeholders, quote_value

__all__ = [
    "CONFIG",
    "Cibuildwheel",
    "ContainerEngine",
    "check_effect",
    "check_options",
    "command_line",
    "container_engine",
    "default_image",
    "escape_placeholders",
    "quote_value",
    "schema_path",
    "volumes_of",
]
