"""A transformer as a compiled graph beside its weights: OpenVINO or ONNX, float or int8, measured."""

from counterpoint.exporting.run import export

__all__ = ["export"]
