//! Stands between a store and its server, and does what networks do.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use flexsecure_redis::{Builder, RedisStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::server::Server;

pub(crate) struct Proxy {
    port: u16,
    weather: Arc<Weather>,
}

struct Weather {
    /// While this is true, nothing passes and nothing is closed.
    is_frozen: watch::Sender<bool>,
    /// Connections from before the last change are as if their other end had been unplugged.
    era: watch::Sender<u32>,
    /// How late answers come, in milliseconds: at random up to the second, from the first.
    delay: Mutex<(u64, u64)>,
    /// What the server says with this text comes so much later, in milliseconds.
    late: Mutex<Option<(String, u64)>>,
    /// The answers to requests with this text are lost with their connection, so many times.
    lost: Mutex<Option<(String, u32)>>,
}

impl Proxy {
    pub(crate) async fn before(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, to) = (listener.local_addr().unwrap().port(), server.port());
        let weather = Arc::new(Weather {
            is_frozen: watch::Sender::new(false),
            era: watch::Sender::new(0),
            delay: Mutex::default(),
            late: Mutex::default(),
            lost: Mutex::default(),
        });
        let seen = Arc::clone(&weather);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let weather = Arc::clone(&seen);
                tokio::spawn(async move {
                    weather.thaw().await;
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await {
                        weather.connect(client, server).await;
                    }
                });
            }
        });
        Self { port, weather }
    }

    pub(crate) fn builder(&self) -> Builder {
        RedisStore::builder(&format!("redis://127.0.0.1:{}", self.port))
    }

    pub(crate) fn freeze(&self) {
        self.weather.is_frozen.send_replace(true);
    }

    pub(crate) fn thaw(&self) {
        self.weather.is_frozen.send_replace(false);
    }

    /// Leaves all connections there are open and dead.
    pub(crate) fn strand(&self) {
        self.weather.era.send_modify(|era| *era += 1);
    }

    pub(crate) fn delay(&self, from: u64, to: u64) {
        *self.weather.delay.lock().unwrap() = (from, to);
    }

    /// Holds up whatever the server says with `text` in it.
    pub(crate) fn hold_up(&self, text: &str, millis: u64) {
        *self.weather.late.lock().unwrap() = Some((text.to_owned(), millis));
    }

    /// Lets requests with `text` reach the server, and cuts the connection instead of answering.
    pub(crate) fn lose_answers_to(&self, text: &str, times: u32) {
        *self.weather.lost.lock().unwrap() = Some((text.to_owned(), times));
    }
}

impl Weather {
    async fn thaw(&self) {
        self.is_frozen.subscribe().wait_for(|is_frozen| !is_frozen).await.unwrap();
    }

    async fn connect(&self, client: TcpStream, server: TcpStream) {
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let ((from_client, to_client), (from_server, to_server)) =
            (client.into_split(), server.into_split());
        let asked = Mutex::new(String::new());
        let mut era = self.era.subscribe();
        let (mut from_client, mut from_server) = (from_client, from_server);
        let (mut to_client, mut to_server) = (to_client, to_server);
        tokio::select! {
            _ = era.changed() => std::future::pending().await,
            () = self.questions(&mut from_client, &mut to_server, &asked) => {}
            () = self.answers(&mut from_server, &mut to_client, &asked) => {}
        }
    }

    async fn questions(
        &self,
        from: &mut OwnedReadHalf,
        to: &mut OwnedWriteHalf,
        asked: &Mutex<String>,
    ) {
        let mut bytes = vec![0; 65_536];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            self.thaw().await;
            *asked.lock().unwrap() = String::from_utf8_lossy(&bytes[..count]).into_owned();
            if to.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    }

    /// In order, each as late as it may be, and not later because of the one before.
    async fn answers(
        &self,
        from: &mut OwnedReadHalf,
        to: &mut OwnedWriteHalf,
        asked: &Mutex<String>,
    ) {
        let (sender, mut late) = unbounded_channel::<(Instant, Vec<u8>)>();
        let reading = async {
            let mut bytes = vec![0; 65_536];
            while let Ok(count @ 1..) = from.read(&mut bytes).await {
                if self.is_lost(&asked.lock().unwrap()) {
                    return;
                }
                let (least, most) = *self.delay.lock().unwrap();
                let late = least + random() % (most - least + 1);
                let late = late + self.extra(&bytes[..count]);
                let due = Instant::now() + Duration::from_millis(late);
                sender.send((due, bytes[..count].to_vec())).unwrap();
            }
        };
        let writing = async {
            while let Some((due, bytes)) = late.recv().await {
                tokio::time::sleep_until(due).await;
                self.thaw().await;
                if to.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = reading => {}
            () = writing => {}
        }
    }

    fn extra(&self, said: &[u8]) -> u64 {
        let late = self.late.lock().unwrap();
        let is_late = |text: &str| String::from_utf8_lossy(said).contains(text);
        late.as_ref().filter(|(text, _)| is_late(text)).map_or(0, |(_, millis)| *millis)
    }

    fn is_lost(&self, asked: &str) -> bool {
        let mut lost = self.lost.lock().unwrap();
        let Some((text, times)) = lost.as_mut() else { return false };
        let is_lost = *times > 0 && asked.contains(text.as_str());
        *times -= u32::from(is_lost);
        is_lost
    }
}

pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}
