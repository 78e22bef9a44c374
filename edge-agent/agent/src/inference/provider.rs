//! Execution providers by name, tried in the configured order.

use std::fmt;

use ort::ep::{self, ExecutionProviderDispatch};
use serde::{Deserialize, Serialize};

/// What a model may run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The runtime's own kernels; always there, and the last resort even where it is not named.
    Cpu,
    /// XNNPACK, for ARM cores.
    Xnnpack,
    /// `OpenVINO`, for Intel processors and graphics.
    OpenVino,
    /// CUDA, for NVIDIA boards.
    Cuda,
    /// `TensorRT`, for NVIDIA boards.
    TensorRt,
}

impl Provider {
    /// Every provider.
    pub const ALL: [Self; 5] = [Self::Cpu, Self::Xnnpack, Self::OpenVino, Self::Cuda, Self::TensorRt];

    /// The name in configuration and health.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Xnnpack => "xnnpack",
            Self::OpenVino => "openvino",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
        }
    }

    /// The provider of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name)
    }

    /// How the runtime is asked for it; nothing for its own kernels.
    pub(super) fn dispatch(self) -> Option<ExecutionProviderDispatch> {
        let dispatch = match self {
            Self::Cpu => return None,
            Self::Xnnpack => ep::XNNPACK::default().build(),
            Self::OpenVino => ep::OpenVINO::default().with_device_type("CPU").with_num_threads(1).build(),
            Self::Cuda => ep::CUDA::default().build(),
            Self::TensorRt => ep::TensorRT::default().build(),
        };
        Some(dispatch.error_on_failure())
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A provider that was asked for and is not in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// The provider asked for.
    pub wanted: Provider,
    /// Why it is not used.
    pub why: String,
}

/// The order to try: as configured, without repetition, the CPU at the end.
pub(super) fn order(configured: &[Provider]) -> Vec<Provider> {
    let mut order: Vec<Provider> = Vec::new();
    for provider in configured.iter().copied().chain([Provider::Cpu]) {
        if !order.contains(&provider) {
            order.push(provider);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_is_found_by_its_own_name() {
        for provider in Provider::ALL {
            assert_eq!(Provider::parse(provider.as_str()), Some(provider));
            let configured: Provider = serde_json::from_value(provider.as_str().into()).unwrap();
            assert_eq!(configured, provider);
        }
    }

    #[test]
    fn the_cpu_is_tried_last_unless_it_is_named_earlier() {
        let (xnnpack, cpu) = (Provider::Xnnpack, Provider::Cpu);
        assert_eq!(order(&[]), [cpu]);
        assert_eq!(order(&[xnnpack, xnnpack]), [xnnpack, cpu]);
        assert_eq!(order(&[cpu, xnnpack]), [cpu, xnnpack]);
    }
}
