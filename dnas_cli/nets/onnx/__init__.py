"""The network as an ONNX graph, and ONNX Runtime to run it: another rewrite of the plain one."""
