"""Pictures of synchronised cameras: folders and videos, exact by frame, at the size asked for."""

from core.recording.discovery import discover_sources
from core.recording.errors import MissingFrameError, NoPicturesError, UnreadableImageError
from core.recording.loader import FrameLoader, ImageRequest, ImageResult
from core.recording.proxies import ProxyBuilder, ProxyProgress, build_proxies
from core.recording.recording import Recording
from core.recording.sources import FolderSpec, SourceSpec, VideoSpec, spec_from_dict

__all__ = [
    "FolderSpec",
    "FrameLoader",
    "ImageRequest",
    "ImageResult",
    "MissingFrameError",
    "NoPicturesError",
    "ProxyBuilder",
    "ProxyProgress",
    "Recording",
    "SourceSpec",
    "UnreadableImageError",
    "VideoSpec",
    "build_proxies",
    "discover_sources",
    "spec_from_dict",
]
