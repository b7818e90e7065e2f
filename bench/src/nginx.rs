//! nginx at its best, as the measure: a worker a core, connections upstream kept, nothing buffered, nothing logged, and buffers
//! that hold the common request and answer in one piece. Beside it the same with request bodies taken in first, which is what a
//! proxy must do that can send a request twice; there buffers are as nginx has them, so large bodies go through a file.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::machine;
use crate::process::{Folder, bound_to_us};

/// From its start to the first connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// nginx, running; ended when dropped.
pub struct Nginx {
    child: Child,
    folder: Folder,
    /// Buffers nothing.
    pub port: u16,
    /// Takes the whole request in before it sends it on.
    pub buffered_port: u16,
}

/// Its name, or its place where users' `PATH` does not lead; `None` if it is not installed.
pub fn program() -> Option<&'static str> {
    static PROGRAM: LazyLock<Option<&str>> = LazyLock::new(|| {
        ["nginx", "/usr/sbin/nginx"].into_iter().find(|name| Command::new(name).arg("-v").output().is_ok())
    });
    *PROGRAM
}

impl Nginx {
    /// In front of this port.
    pub async fn start(upstream: u16) -> anyhow::Result<Self> {
        let program = program().context("nginx is not installed")?;
        let folder = Folder::new()?;
        let (port, buffered_port) = free_ports()?;
        let config = config(upstream, port, buffered_port, &folder);
        let config = folder.write("nginx.conf", &config)?;
        let child = bound_to_us(program.as_ref())
            .arg("-c")
            .arg(&config)
            .arg("-p")
            .arg(folder.path())
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut nginx = Self { child, folder, port, buffered_port };
        nginx.wait_until_it_listens().await?;
        Ok(nginx)
    }

    async fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.buffered_port)).is_err() {
            if begun.elapsed() > PATIENCE || self.child.try_wait()?.is_some() {
                let log = std::fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default();
                bail!("nginx does not start: {}", log.trim());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// The master and its workers.
    pub fn pids(&self) -> Vec<u32> {
        machine::family(self.child.id())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Asked to, it ends its workers; killed, it would leave them behind.
        let config = self.folder.path().join("nginx.conf");
        let asked = program().map(|program| {
            let mut stop = Command::new(program);
            stop.arg("-c").arg(config).arg("-p").arg(self.folder.path()).args(["-s", "stop"]);
            stop.stderr(Stdio::null()).status()
        });
        if !matches!(asked, Some(Ok(status)) if status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Two ports that were free a moment ago.
fn free_ports() -> anyhow::Result<(u16, u16)> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, other) = (bind()?, bind()?);
    Ok((one.local_addr()?.port(), other.local_addr()?.port()))
}

fn config(upstream: u16, port: u16, buffered_port: u16, folder: &Folder) -> String {
    let folder = folder.path().display();
    let workers = machine::cores();
    // Workers of a master that runs as root would be nobody, who cannot enter the folder.
    let user = if is_root() { "user root;" } else { "" };
    let server = |port: u16, buffering: &str, buffers: &str| {
        format!(
            "server {{
                listen 127.0.0.1:{port};
                location / {{
                    proxy_pass http://gemini;
                    proxy_http_version 1.1;
                    proxy_set_header Connection '';
                    proxy_buffering off;
                    proxy_request_buffering {buffering};
                    proxy_read_timeout 600s;
                    {buffers}
                }}
            }}"
        )
    };
    let plain =
        server(port, "off", "proxy_buffer_size 64k; proxy_buffers 8 64k; client_body_buffer_size 64k;");
    let buffered = server(buffered_port, "on", "");
    format!(
        "{user}
        daemon off;
        worker_processes {workers};
        pid {folder}/nginx.pid;
        error_log {folder}/error.log;
        events {{ worker_connections 4096; }}
        http {{
            access_log off;
            client_max_body_size 0;
            keepalive_requests 1000000000;
            client_body_temp_path {folder}/body;
            proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi;
            scgi_temp_path {folder}/scgi;
            upstream gemini {{
                server 127.0.0.1:{upstream};
                keepalive 512;
                keepalive_requests 1000000000;
            }}
            {plain}
            {buffered}
        }}"
    )
}

#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}
