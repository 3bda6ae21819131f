//! A conversation with the master: calls, one after the other, on one link.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use welkin_fleet_model::units::show_time;
use welkin_fleet_model::wire::client::{Command, FromMaster, Options, Outcome, Status, ToMaster};
use welkin_fleet_model::wire::frame::PIECE;
use welkin_fleet_trust::{Identity, Incoming, LinkError, Receiver, Sender};

use crate::connect::Master;
use crate::failure::Failure;

/// How long a new certificate is waited for when all else is done.
const RENEWAL: Duration = Duration::from_secs(3);

/// The master gives up at the limit too, and then shows what was done so far: that is waited for.
const GRACE: Duration = Duration::from_secs(2);

/// What happens during a call, to whoever shows it.
pub trait Watch: Send {
    /// A line meanwhile.
    fn progress(&mut self, text: &str);

    /// Bytes of the call's stream. The error ends the call.
    fn piece(&mut self, data: &[u8]) -> Result<(), Failure> {
        let _ = data;
        Ok(())
    }
}

/// How a call ended.
#[derive(Debug)]
pub enum End {
    /// The master's answer; the stream's failure, if it had one.
    Done(Outcome, Option<String>),
    /// Ctrl-C.
    Interrupted,
}

/// What a call sends and how long it waits.
#[derive(Debug, Default)]
pub struct Extra {
    /// Sent as the call's stream.
    pub upload: Option<PathBuf>,
    /// None: as long as it takes.
    pub limit: Option<Duration>,
    /// `--or-busy`.
    pub or_busy: bool,
    /// `--now-or-never`.
    pub now_or_never: bool,
}

/// An open link to the master.
pub struct Session {
    sender: Sender,
    receiver: Receiver,
    identity: Option<Identity>,
    renew: bool,
    next: u64,
}

impl Session {
    /// Connects.
    pub async fn open(master: &Master) -> Result<Self, Failure> {
        let (link, identity) = master.connect().await?;
        let due = identity.as_ref().is_some_and(Identity::renewal_due);
        let renew = identity.is_some() && (due || link.hello().renew);
        let (sender, receiver) = link.split();
        Ok(Self {
            sender,
            receiver,
            identity,
            renew,
            next: 1,
        })
    }

    /// Has the master carry out a command, and waits for its end, for Ctrl-C, or for the limit.
    pub async fn call(
        &mut self,
        command: Command,
        extra: Extra,
        watch: &mut dyn Watch,
    ) -> Result<End, Failure> {
        let id = self.next;
        let sender = self.sender.clone();
        tokio::select! {
            // First, so that the signal is ours before the master has heard anything.
            biased;
            _ = tokio::signal::ctrl_c() => {
                let _ = sender.try_send(&ToMaster::Forget { id });
                Ok(End::Interrupted)
            }
            end = self.call_uninterrupted(command, extra, watch) => end,
        }
    }

    /// The same for who handles no signals.
    pub async fn call_uninterrupted(
        &mut self,
        command: Command,
        extra: Extra,
        watch: &mut dyn Watch,
    ) -> Result<End, Failure> {
        let id = self.next;
        self.next += 1;
        let limit = extra.limit.unwrap_or(Duration::MAX);
        let options = Options {
            timeout_ms: extra.limit.map_or(0, |limit| limit.as_millis() as u64),
            or_busy: extra.or_busy,
            now_or_never: extra.now_or_never,
        };
        let command = Box::new(command);
        self.sender
            .send(&ToMaster::Call {
                id,
                command,
                options,
            })
            .await?;
        let uploading = extra
            .upload
            .map(|file| Uploading(tokio::spawn(upload(self.sender.clone(), id, file))));
        let end = tokio::select! {
            end = listen(&mut self.receiver, id, watch) => end,
            () = over(limit.saturating_add(GRACE)) => {
                let _ = self.sender.try_send(&ToMaster::Forget { id });
                let waited = show_time(limit.as_millis() as u64);
                let text = format!("no end after {waited}; the work goes on, welkin fleet status shows it (--timeout T waits longer)");
                Err(Failure::new(Status::TimedOut, "timed-out", text))
            }
        };
        drop(uploading);
        end
    }

    /// Says goodbye; before it, renews our certificate if it is time to.
    pub async fn close(mut self) {
        if self.renew
            && let Some(identity) = self.identity.take()
            // Without a new one the old one goes on for a month; the next command tries again.
            && let Ok(Err(failure)) = timeout(RENEWAL, self.renew_with(&identity)).await
        {
            eprintln!("welkin: the certificate was not renewed: {}", failure.text);
        }
        self.sender.close();
        let _ = timeout(RENEWAL, self.receiver.next()).await;
    }

    async fn renew_with(&mut self, identity: &Identity) -> Result<(), Failure> {
        let request = identity.request().map_err(Failure::failed)?;
        self.sender.send(&ToMaster::Renew(request)).await?;
        while let Some(incoming) = self.receiver.next().await? {
            let Incoming::Message(_) = &incoming else {
                continue;
            };
            if let FromMaster::Renewed {
                certificate,
                authorities,
            } = incoming.parse()?
            {
                identity
                    .renewed(&certificate, &authorities)
                    .map_err(Failure::failed)?;
                return Ok(());
            }
        }
        Ok(())
    }
}

/// `Duration::MAX` never comes.
async fn over(limit: Duration) {
    match limit {
        Duration::MAX => std::future::pending().await,
        limit => sleep(limit).await,
    }
}

async fn listen(receiver: &mut Receiver, id: u64, watch: &mut dyn Watch) -> Result<End, Failure> {
    let mut failed = None;
    loop {
        let Some(incoming) = receiver.next().await? else {
            return Err(Failure::unreachable(
                "the master closed the connection; what it had begun goes on",
            ));
        };
        match &incoming {
            Incoming::Piece { stream, data } if *stream == id => watch.piece(data)?,
            Incoming::End { stream, failure } if *stream == id && !failure.is_empty() => {
                failed = Some(failure.clone());
            }
            // Of a call that was given up.
            Incoming::Piece { .. } | Incoming::End { .. } => {}
            Incoming::Message(_) => match incoming.parse()? {
                FromMaster::Progress { id: of, text } if of == id => watch.progress(&text),
                FromMaster::Done { id: of, outcome } if of == id => {
                    return Ok(End::Done(*outcome, failed));
                }
                _ => {}
            },
        }
    }
}

/// A running upload; an answer before its end means that the master does not want the rest.
struct Uploading(tokio::task::JoinHandle<Result<(), Failure>>);

impl Drop for Uploading {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a file as the stream of a call. A file that cannot be read ends the stream with the reason.
async fn upload(sender: Sender, id: u64, file: PathBuf) -> Result<(), Failure> {
    use tokio::io::AsyncReadExt;
    let broken = |error: std::io::Error| format!("{}: {error}", file.display());
    let mut source = match tokio::fs::File::open(&file).await {
        Ok(source) => source,
        Err(error) => {
            sender.end(id, &broken(error)).await?;
            return Ok(());
        }
    };
    let mut buffer = vec![0; PIECE];
    loop {
        match source.read(&mut buffer).await {
            Ok(0) => return Ok(sender.end(id, "").await?),
            Ok(read) => piece(&sender, id, &buffer[..read]).await?,
            Err(error) => return Ok(sender.end(id, &broken(error)).await?),
        }
    }
}

/// A master that unpacks what it has got may take its time: only the link's end is an end.
async fn piece(sender: &Sender, id: u64, data: &[u8]) -> Result<(), Failure> {
    loop {
        match sender.piece(id, data).await {
            Err(LinkError::Slow) if !sender.is_closed() => {}
            sent => return Ok(sent?),
        }
    }
}
