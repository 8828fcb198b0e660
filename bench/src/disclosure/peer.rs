//! Other people's servers: started, waited for, measured, ended.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpStream;

use crate::callers::Call;
use crate::threads::{Thread, other_cpu_us};

/// A server of somebody else; it ends with this.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts it and waits until it takes connections.
    pub(crate) async fn start(
        program: &Path,
        arguments: &[&str],
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.with_context(|| format!("`{}` does not start", program.display()))?;
        let mut server = Self { child, address };
        for _ in 0..300 {
            if TcpStream::connect(address).await.is_ok() {
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                anyhow::bail!("`{}` ended by itself: {status}", program.display());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("`{}` takes no connections", program.display())
    }

    /// Processor time of all its threads so far.
    pub(crate) fn cpu_us(&self) -> anyhow::Result<f64> {
        other_cpu_us(self.child.id())
    }

    /// What it answers to the first call.
    pub(crate) async fn answer(
        &self,
        calls: &Arc<[Call]>,
        thread: &Thread,
    ) -> anyhow::Result<String> {
        let call = calls.first().context("there is nothing to call")?;
        let address = format!("http://{}{}", self.address, call.path);
        let body = call.body.clone().unwrap_or_default();
        let request = Request::post(address).header("content-type", "application/json");
        let request = request.body(Full::<Bytes>::new(body))?;
        let asked = thread.handle.spawn(async move {
            let client = Client::builder(TokioExecutor::new()).build_http();
            let answer = client.request(request).await?.into_body().collect().await?;
            anyhow::Ok(String::from_utf8_lossy(&answer.to_bytes()).into_owned())
        });
        asked.await?
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
