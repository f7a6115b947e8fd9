//! Links libtorch into the binary's search path and notes the commit that is built.

use std::process::Command;

fn main() {
    // torch-sys says where libtorch is only to crates that depend on it; it goes into every binary and test of this one.
    // Without it the loader would look in the system's directories alone.
    // The order is torch-sys' own.
    if let Some(dir) = pytorch_lib() {
        println!("cargo:rustc-link-arg=-Wl,-rpath={dir}");
    } else if let Ok(dir) = std::env::var("LIBTORCH") {
        let dir = std::fs::canonicalize(&dir).unwrap_or_else(|_| dir.clone().into());
        println!("cargo:rustc-link-arg=-Wl,-rpath={}", dir.join("lib").display());
    }
    // DT_RUNPATH, so that LD_LIBRARY_PATH can put a libtorch with CUDA in its place
    println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=LIBTORCH_USE_PYTORCH");

    for input in ["build.rs", "src", ".git/HEAD", ".git/logs/HEAD"] {
        println!("cargo:rerun-if-changed={input}");
    }
    println!("cargo:rustc-env=NCUT_COMMIT={}", commit().unwrap_or_default());
}

/// `+abc1234`, or `+abc1234-dirty` with changes that are not committed, or nothing outside a repository.
fn commit() -> Option<String> {
    let output =
        Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=7", "--exclude=*"]).output().ok()?;
    output.status.success().then(|| format!("+{}", String::from_utf8_lossy(&output.stdout).trim()))
}

fn pytorch_lib() -> Option<String> {
    std::env::var_os("LIBTORCH_USE_PYTORCH")?;
    let code = "import os, torch; print(os.path.join(os.path.dirname(torch.__file__), 'lib'))";
    let output = Command::new("python3").args(["-c", code]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}
