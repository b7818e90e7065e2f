//! Real network proxies, as people run them. Names that only they know come from a file, by `libnss-wrapper`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::support::{Folder, soon};

/// A proxy in a process of its own.
pub struct Program {
    _child: Child,
    _folder: Folder,
    pub port: u16,
}

/// Leads these names to this machine, for whoever is started with [`knowing`].
pub fn hosts(folder: &Folder, names: &[&str]) -> PathBuf {
    folder.write("hosts", &names.iter().map(|name| format!("127.0.0.1 {name}\n")).collect::<String>())
}

/// The variables by which a process knows the names of this file.
pub fn knowing(hosts: &Path) -> [(&str, &str); 2] {
    let variables = [("LD_PRELOAD", "libnss_wrapper.so"), ("NSS_WRAPPER_HOSTS", hosts.to_str().unwrap())];
    let mut names = std::process::Command::new("getent");
    let known = names.args(["hosts", "gemini.test"]).envs(variables).stderr(Stdio::null()).output();
    assert!(
        known.is_ok_and(|known| known.status.success()),
        "no names by libnss_wrapper.so: install the Debian package libnss-wrapper"
    );
    variables
}

/// tinyproxy, which wants this user and password.
pub async fn tinyproxy(names: &[&str], user: &str, password: &str) -> Program {
    start(names, "tinyproxy", "tinyproxy-bin", |port, folder, command| {
        let file = format!(
            "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 600\nMaxClients 100\nLogLevel Error\n\
             BasicAuth {user} {password}\n"
        );
        command.arg("-d").arg("-c").arg(folder.write("tinyproxy.conf", &file));
    })
    .await
}

/// microsocks, which wants this user and password.
pub async fn microsocks(names: &[&str], user: &str, password: &str) -> Program {
    start(names, "microsocks", "microsocks", |port, _, command| {
        command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-u", user, "-P", password]);
    })
    .await
}

async fn start(
    names: &[&str],
    program: &str,
    package: &str,
    arguments: impl Fn(u16, &Folder, &mut Command),
) -> Program {
    loop {
        let folder = Folder::new();
        let file = hosts(&folder, names);
        // Somebody else may take the port before the program does.
        let port = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        arguments(port, &folder, &mut command);
        command
            .envs(knowing(&file))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{program} does not start ({error}): install the Debian package {package}")
        });
        let listens = soon("the proxy", async {
            loop {
                if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return true;
                }
                if child.try_wait().unwrap().is_some() {
                    return false;
                }
                tokio::task::yield_now().await;
            }
        });
        if listens.await {
            return Program { _child: child, _folder: folder, port };
        }
    }
}
