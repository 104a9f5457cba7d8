"""The 3D viewer: court, cameras, people, and the geometry behind the selected joint."""

from app.scene.view import SceneView

__all__ = ["SceneView"]
