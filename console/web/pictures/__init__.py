"""Pictures of the console, one kind a file; `base` has what they share."""

from console.web.pictures.base import Picture
from console.web.pictures.contributions import contributions_picture
from console.web.pictures.expected import expected_picture
from console.web.pictures.heat import heat_picture
from console.web.pictures.history import history_picture
from console.web.pictures.timeline import timeline_picture

__all__ = [
    "Picture",
    "contributions_picture",
    "expected_picture",
    "heat_picture",
    "history_picture",
    "timeline_picture",
]
