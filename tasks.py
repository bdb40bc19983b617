"""The farm's tasks: `inv -l` lists them."""

from wheelfarm.tasks import collection

namespace = collection()
