//! Where tensors live.

use crate::InputError;
use std::path::PathBuf;
use tch::{Cuda, Device};

/// The device called `cpu`, `cuda` or `cuda:N`.
///
/// libtorch here is linked without CUDA; [`find_cuda`] brings it in at run time.
///
/// # Errors
///
/// An unknown name; CUDA asked for where there is none, or not as many devices.
pub fn device(name: &str) -> Result<Device, InputError> {
    let Some(index) = check_name(name)? else { return Ok(Device::Cpu) };
    let found = if Cuda::is_available() { Cuda::device_count() as usize } else { 0 };
    match found {
        0 => Err(InputError::new(
            "--device",
            format!("'{name}' was asked for, but libtorch finds no CUDA device"),
            "use cpu, or run where an NVIDIA driver and PyTorch 2.11.0 with CUDA are installed",
        )),
        _ if index >= found => Err(InputError::new(
            "--device",
            format!("'{name}' was asked for, but there are {found} CUDA devices"),
            format!("name cuda:0 to cuda:{}", found - 1),
        )),
        _ => Ok(Device::Cuda(index)),
    }
}

/// The number of the CUDA device that `name` means, or `None` for the CPU.
///
/// # Errors
///
/// A name that is none of `cpu`, `cuda` and `cuda:N`.
pub fn check_name(name: &str) -> Result<Option<usize>, InputError> {
    let number = name.strip_prefix("cuda:").and_then(|number| number.parse().ok());
    match (name, number) {
        ("cpu", _) => Ok(None),
        ("cuda", _) => Ok(Some(0)),
        (_, Some(index)) => Ok(Some(index)),
        _ => Err(InputError::new("--device", format!("no device is called '{name}'"), "name cpu, cuda or cuda:N")),
    }
}

/// The directory of a libtorch with CUDA on this machine: that of `LIBTORCH`, or of the PyTorch of the python3 on PATH.
///
/// CUDA registers itself when `libtorch_cuda.so` is loaded before the first tensor is made. So a program that wants it
/// starts itself again with that library preloaded, and the rest of libtorch taken from beside it.
pub fn find_cuda() -> Option<PathBuf> {
    let from_environment = std::env::var_os("LIBTORCH").map(|dir| PathBuf::from(dir).join("lib"));
    let from_python = || {
        let code = "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])";
        let output = std::process::Command::new("python3").args(["-c", code]).output().ok()?;
        let path = String::from_utf8(output.stdout).ok()?;
        Some(PathBuf::from(path.trim()).join("lib"))
    };
    let holds_cuda = |dir: &PathBuf| dir.join("libtorch_cuda.so").exists();
    from_environment.filter(holds_cuda).or_else(|| from_python().filter(holds_cuda))
}
