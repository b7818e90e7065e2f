//! Programs that tests and benchmark want, from the distribution: only where it is Debian or one of its kind, only as root, and
//! without starting a service. Whoever needs a program says so if it is still missing.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// While it is there, Debian's packages start no services; ours would listen for the world.
const NO_SERVICES: &str = "/usr/sbin/policy-rc.d";

/// Installs, of each of these lists, the first package that can be had.
pub fn install(wanted: &[&[&str]]) {
    let ours = !Path::new(NO_SERVICES).exists() && forbid_services().is_ok();
    if apt(&["update"]) {
        for packages in wanted {
            let _ =
                packages.iter().any(|package| apt(&["install", "-y", "--no-install-recommends", package]));
        }
    }
    if ours {
        let _ = fs::remove_file(NO_SERVICES);
    }
}

fn apt(arguments: &[&str]) -> bool {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn forbid_services() -> std::io::Result<()> {
    fs::write(NO_SERVICES, "#!/bin/sh\nexit 101\n")?;
    #[cfg(unix)]
    fs::set_permissions(NO_SERVICES, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(())
}
