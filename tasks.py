"""The farm's tasks: `inv -l` lists them."""

from wheelfarm.cli.collection import collection

namespace = collection()
