//! Tensors to outputs: the one place with ONNX Runtime.
