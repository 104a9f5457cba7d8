"""The names of the calibration formats, apart from their readers so that help texts are quick."""

CALIBRATION_FORMATS = {
    "sportcenter": "SportCenter calibration.json (metres)",
    "anipose": "Anipose, sleap-anipose, Lightning Pose TOML (unit told from the cameras' distance)",
    "pose2sim": "Pose2Sim Calib.toml (metres)",
    "qca": "Qualisys *.qca.txt, as Pose2Sim uses it (mm)",
    "opencv": "OpenCV or JARVIS YAML, a folder with one file per camera (unit told likewise)",
    "dannce": "DANNCE or Label3D *_dannce.mat (mm)",
    "human36m": "Human3.6M camera-parameters.json (mm; needs a subject)",
    "mpi_inf_3dhp": "MPI-INF-3DHP camera.calibration (mm)",
    "panoptic": "CMU Panoptic calibration_*.json (cm)",
    "campus_shelf": "Campus or Shelf calibration_*.json (mm)",
    "trilabel": "rig.toml of a trilabel project (mm)",
}
