//! A network proxy on loopback that remembers what it was asked, leads every host to one place, and refuses as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What it speaks.
#[derive(Clone)]
pub enum Tongue {
    Http,
    Https(TlsAcceptor),
    Socks,
}

/// What it does once it knows what is wanted.
#[derive(Clone)]
pub enum Manner {
    /// Connects to this place, whatever was asked for.
    Leads(SocketAddr),
    /// Says this and listens no more; by SOCKS without hearing anything.
    Says(Vec<u8>),
}

/// What somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `host:port`, as it was written.
    pub target: String,
    /// What stood behind `Proxy-Authorization: Basic`, or `user:password` by SOCKS.
    pub credentials: Option<String>,
    /// Agreed upon within TLS.
    pub protocol: Option<Vec<u8>>,
}

pub struct Scripted {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepting: JoinHandle<()>,
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

impl Scripted {
    pub async fn start(tongue: Tongue, manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let memory = asked.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tongue, manner, memory) = (tongue.clone(), manner.clone(), memory.clone());
                // Whoever asks may leave at any time.
                tokio::spawn(async move { serve(stream, tongue, manner, &memory).await });
            }
        });
        Self { port, asked, accepting }
    }

    /// All that was asked of it so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// What it was asked for so far, in order.
    pub fn targets(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.target).collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: TcpStream, tongue: Tongue, manner: Manner, memory: &Mutex<Vec<Asked>>) -> Option<()> {
    match tongue {
        Tongue::Http => by_connect(stream, None, manner, memory).await,
        Tongue::Https(acceptor) => {
            let stream = acceptor.accept(stream).await.ok()?;
            let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
            by_connect(stream, protocol, manner, memory).await
        }
        Tongue::Socks => by_socks(stream, manner, memory).await,
    }
}

async fn by_connect(
    mut stream: impl Io,
    protocol: Option<Vec<u8>>,
    manner: Manner,
    memory: &Mutex<Vec<Asked>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
    assert!(head.contains(&format!("\r\nHost: {target}\r\n")), "{head}");
    let credentials = head.lines().find_map(|line| line.strip_prefix("Proxy-Authorization: Basic "));
    let credentials = credentials
        .or_else(|| head.lines().find_map(|line| line.strip_prefix("proxy-authorization: Basic ")));
    memory.lock().unwrap().push(Asked { target, credentials: credentials.map(str::to_owned), protocol });
    lead(stream, manner, b"HTTP/1.1 200 Connection established\r\n\r\n").await
}

async fn by_socks(mut stream: TcpStream, manner: Manner, memory: &Mutex<Vec<Asked>>) -> Option<()> {
    if let Manner::Says(_) = manner {
        return lead(stream, manner, b"").await;
    }
    let (_, count) = (stream.read_u8().await.ok()?, stream.read_u8().await.ok()?);
    let mut ways = vec![0; usize::from(count)];
    stream.read_exact(&mut ways).await.ok()?;
    let mut credentials = None;
    if ways.contains(&2) {
        stream.write_all(&[5, 2]).await.ok()?;
        assert_eq!(stream.read_u8().await.ok()?, 1);
        let length = stream.read_u8().await.ok()?;
        let user = text(&mut stream, length).await?;
        let length = stream.read_u8().await.ok()?;
        let password = text(&mut stream, length).await?;
        credentials = Some(format!("{user}:{password}"));
        stream.write_all(&[1, 0]).await.ok()?;
    } else {
        stream.write_all(&[5, 0]).await.ok()?;
    }
    let mut request = [0; 4];
    stream.read_exact(&mut request).await.ok()?;
    let host = match request[3] {
        3 => {
            let length = stream.read_u8().await.ok()?;
            text(&mut stream, length).await?
        }
        kind => format!("an address of kind {kind}"),
    };
    let target = format!("{host}:{}", stream.read_u16().await.ok()?);
    memory.lock().unwrap().push(Asked { target, credentials, protocol: None });
    lead(stream, manner, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await
}

async fn text(stream: &mut TcpStream, length: u8) -> Option<String> {
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await.ok()?;
    String::from_utf8(bytes).ok()
}

async fn lead(mut stream: impl Io, manner: Manner, welcome: &[u8]) -> Option<()> {
    match manner {
        Manner::Says(words) => {
            stream.write_all(&words).await.ok()?;
            stream.shutdown().await.ok()?;
            // Whoever closes with bytes unread resets, which could overtake the words.
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok()?;
        }
        Manner::Leads(to) => {
            let mut there = TcpStream::connect(to).await.unwrap();
            stream.write_all(welcome).await.ok()?;
            tokio::io::copy_bidirectional(&mut stream, &mut there).await.ok()?;
        }
    }
    Some(())
}
