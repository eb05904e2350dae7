//! Questions and answers over the simulated network, one connection each.

use std::future::Future;
use std::io;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};
use turmoil::net::{TcpListener, TcpStream};

/// How a question went unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// There was no connection, so it never arrived.
    NotSent,
    /// It may have arrived, and what it asked for may have been done.
    Unknown,
}

/// What becomes of the work on a question when whoever asked it has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// It is dropped, as axum does.
    Drops,
    /// It goes on.
    ChangesNothing,
}

pub(crate) async fn ask<A: DeserializeOwned>(
    host: &str,
    question: &impl Serialize,
    limit: Duration,
) -> Result<A, Unanswered> {
    let now = Instant::now();
    let connecting = TcpStream::connect(format!("{host}:{PORT}"));
    let connected = timeout_at(now + limit.min(CONNECT_LIMIT), connecting).await;
    let Ok(Ok(mut stream)) = connected else {
        return Err(Unanswered::NotSent);
    };
    let exchange = async {
        write(&mut stream, question).await?;
        read(&mut stream).await
    };
    match timeout_at(now + limit, exchange).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) | Err(_) => Err(Unanswered::Unknown),
    }
}

/// Answers questions for as long as the host runs.
pub(crate) async fn serve<Q, A, F>(
    leaving: Leaving,
    answer: impl Fn(Q) -> F + Clone + Send + Sync + 'static,
) -> turmoil::Result
where
    Q: DeserializeOwned + Send,
    A: Serialize + Send + Sync,
    F: Future<Output = A> + Send,
{
    let listener = TcpListener::bind(format!("0.0.0.0:{PORT}")).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let answer = answer.clone();
        tokio::spawn(async move {
            let (mut reading, mut writing) = stream.into_split();
            let Ok(question) = read(&mut reading).await else { return };
            let answering = answer(question);
            let answer = match leaving {
                Leaving::ChangesNothing => answering.await,
                Leaving::Drops => tokio::select! {
                    biased;
                    answer = answering => answer,
                    _ = reading.read_u8() => return,
                },
            };
            // Whoever asked may be gone.
            let _ = write(&mut writing, &answer).await;
        });
    }
}

pub(crate) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &impl Serialize,
) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    let frame = [&length.to_be_bytes(), text.as_slice()].concat();
    stream.write_all(&frame).await
}

pub(crate) async fn read<M: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<M> {
    let length = stream.read_u32().await?;
    let mut text = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    stream.read_exact(&mut text).await?;
    Ok(serde_json::from_slice(&text)?)
}

const PORT: u16 = 80;

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
