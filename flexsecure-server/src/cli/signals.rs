use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the operating system asks of a server: to stop, or to read its files again.
///
/// Heard from the moment that this is made, so that a signal during start-up is not lost.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Until the next SIGTERM or SIGINT; each SIGHUP until then is a `reload`.
    pub(super) async fn stop(&mut self, reload: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => reload(),
            }
        }
    }
}

#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct Signals(());

#[cfg(not(unix))]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self(()))
    }

    /// Until Ctrl-C; nothing asks for a reload here.
    pub(super) async fn stop(&mut self, _reload: impl Fn()) {
        let _interrupted = tokio::signal::ctrl_c().await;
    }
}
