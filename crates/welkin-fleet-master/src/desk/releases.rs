//! Releases on the master: taken from an upload, found by the beginning of their id, listed, removed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use welkin_fleet_model::file::Fleet as File;
use welkin_fleet_model::units::rfc3339;
use welkin_fleet_model::wire::client::{Command, Options, Outcome};
use welkin_fleet_release::{Limits, check_signature, enough_space, find, id, pack};
use welkin_fleet_store::records::ReleaseRecord;
use welkin_fleet_store::{Store, StoreError, View};

use super::upload::Upload;
use super::{Answer, Desk, asked, row, words};
use crate::core::{CallId, Input, Who};
use crate::log;
use crate::serve::persist;

/// Where the archive of a release is.
fn archive(dir: &Path, digest: &str) -> PathBuf {
    dir.join("releases").join(format!("{digest}.tar.gz"))
}

impl Desk {
    /// An upload has ended: it becomes a release, and the command that it came with begins.
    pub(crate) async fn uploaded(
        self: Arc<Self>,
        call: CallId,
        who: Who,
        upload: Upload,
        failure: String,
        mut command: Command,
        options: Options,
    ) {
        let (word, target) = (super::word_of(&command), super::target_of(&command));
        let (label, signature) = match &mut command {
            Command::Update {
                label, signature, ..
            }
            | Command::Upgrade {
                label, signature, ..
            } => (std::mem::take(label), signature.take()),
            _ => return,
        };
        let taken = match failure.is_empty() {
            true => {
                self.take_upload(&who, upload, label.clone(), signature)
                    .await
            }
            false => Err(format!("the upload broke off: {failure}")),
        };
        match taken {
            Ok(digest) => {
                match &mut command {
                    Command::Update {
                        release, label: to, ..
                    } => (*release, *to) = (Some(digest), label),
                    Command::Upgrade { release, .. } => *release = digest,
                    _ => {}
                }
                let command = Box::new(command);
                self.tell(Input::Call {
                    call,
                    who,
                    command,
                    options,
                })
                .await;
            }
            Err(why) => {
                self.audit(&who, word, &target, &format!("refused: {why}"))
                    .await;
                self.done(call, super::refusal("", why));
            }
        }
    }

    async fn take_upload(
        self: &Arc<Self>,
        who: &Who,
        mut upload: Upload,
        label: String,
        signature: Option<String>,
    ) -> Result<String, String> {
        let path = upload.finish().await?.to_path_buf();
        let (desk, who) = (self.clone(), who.clone());
        let take = move || desk.take_release(&who, &path, label, signature);
        let taken = tokio::task::spawn_blocking(take).await;
        taken.unwrap_or_else(|_| Err("it broke off".to_owned()))
    }

    /// Packs an upload into its one form; gives its digest.
    fn take_release(
        &self,
        who: &Who,
        upload: &Path,
        label: String,
        signature: Option<String>,
    ) -> Result<String, String> {
        let folder = self.dir.join("releases");
        std::fs::create_dir_all(&folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let size = std::fs::metadata(upload).map_or(0, |about| about.len());
        enough_space(&folder, size.saturating_mul(2)).map_err(|error| error.to_string())?;
        let file = self.store.look(|look| look.fleet_file()).map_err(words)?;
        let settings = file.and_then(|file| File::parse(&file.text, file.cluster.as_deref()).ok());
        let settings = settings.unwrap_or_default().update;
        let limits = Limits {
            unpacked_max: settings.max_size,
            ..Limits::default()
        };
        let part = folder.join(format!(
            "{}.packed",
            upload.file_name().unwrap_or_default().display()
        ));
        let packed = pack(upload, &part, &limits).map_err(|error| error.to_string())?;
        let checked = check_signature(
            &packed.manifest,
            signature.as_deref(),
            &settings.trusted_keys,
        );
        if let Err(error) = checked {
            let _ = std::fs::remove_file(&part);
            return Err(error.to_string());
        }
        let place = archive(&self.dir, &packed.digest);
        std::fs::rename(&part, &place).map_err(|error| format!("{}: {error}", place.display()))?;
        let record = ReleaseRecord {
            digest: packed.digest.clone(),
            label,
            archive: std::fs::metadata(&place).map_or(packed.archive, |about| about.len()),
            unpacked: packed.unpacked,
            files: packed.files,
            uploaded_unix_ms: log::unix_ms(),
            by: who.name.clone(),
            signature,
        };
        let audit = persist::audit(&asked(who, "upload", id(&packed.digest), "done"));
        let written = self.store.change(|to| {
            to.put_release(&record)?;
            to.audit(audit).map(drop)
        });
        written.map_err(words)?;
        self.tell_blocking(Input::Release(persist::release(record)));
        Ok(packed.digest)
    }

    /// The command with the release's full digest in the place of its beginning.
    pub(super) async fn resolved(
        self: &Arc<Self>,
        mut command: Command,
    ) -> Result<Command, String> {
        let store = self.store.clone();
        let all = tokio::task::spawn_blocking(move || store.look(|look| look.releases())).await;
        let all = all
            .map_err(|_| "the releases could not be read".to_owned())?
            .map_err(words)?;
        let release = match &mut command {
            Command::Update {
                release: Some(release),
                ..
            }
            | Command::Upgrade { release, .. } => release,
            _ => return Ok(command),
        };
        let by_label = all
            .iter()
            .find(|known| !known.label.is_empty() && known.label == *release);
        *release = match by_label {
            Some(known) => known.digest.clone(),
            None => find(release, all.iter().map(|known| known.digest.as_str()))
                .map_err(|error| error.to_string())?,
        };
        Ok(command)
    }

    pub(super) fn releases(&self, who: &Who, prune: Option<u32>) -> Answer {
        let mut tail = Vec::new();
        if let Some(keep) = prune {
            let removed = self.prune(keep)?;
            self.write_audit(
                who,
                "releases --prune",
                &removed.join(" "),
                &format!("done: {} removed", removed.len()),
            )?;
            tail.push(format!("{} removed: {}", removed.len(), removed.join(" ")));
        }
        let all = self.store.look(|look| look.releases()).map_err(words)?;
        let users = self.users()?;
        let rows = all.iter().map(|release| {
            row([
                ("id", json!(id(&release.digest))),
                ("digest", json!(release.digest)),
                ("label", json!(release.label)),
                ("size", json!(release.unpacked)),
                ("uploaded", json!(rfc3339(release.uploaded_unix_ms))),
                ("by", json!(release.by)),
                (
                    "used_by",
                    json!(users.get(&release.digest).cloned().unwrap_or_default()),
                ),
            ])
        });
        Ok(Outcome {
            rows: rows.collect(),
            tail,
            ..Outcome::default()
        })
    }

    /// Nodes by the release that is wanted for them.
    fn users(&self) -> Result<BTreeMap<String, Vec<String>>, String> {
        let wanted = self
            .store
            .look(|look| look.all_wanted::<crate::core::Wanted>())
            .map_err(words)?;
        let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (node, wanted) in wanted {
            if let Some(release) = wanted.release {
                users.entry(release).or_default().push(node);
            }
        }
        Ok(users)
    }

    fn prune(&self, keep: u32) -> Result<Vec<String>, String> {
        let all = self.store.look(|look| look.releases()).map_err(words)?;
        let mut kept = self.in_use();
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        kept.extend(all.iter().take(keep).map(|release| release.digest.clone()));
        let gone = prune_to(&self.store, &self.dir, &kept);
        for digest in &gone {
            self.tell_blocking(Input::ReleaseGone(digest.clone()));
        }
        Ok(gone.iter().map(|digest| id(digest).to_owned()).collect())
    }
}

/// Removes all releases but those of `keep`; gives the digests of those that are gone.
pub(crate) fn prune_to(store: &Store, dir: &Path, keep: &BTreeSet<String>) -> Vec<String> {
    let all = store.look(|look| look.releases()).unwrap_or_default();
    let gone: Vec<String> = all
        .into_iter()
        .map(|r| r.digest)
        .filter(|d| !keep.contains(d))
        .collect();
    let written = store.change(|to| {
        for digest in &gone {
            to.drop_release(digest)?;
        }
        Ok::<(), StoreError>(())
    });
    if let Err(error) = written {
        log::line(&error.to_string());
        return Vec::new();
    }
    for digest in &gone {
        let _ = std::fs::remove_file(archive(dir, digest));
    }
    gone
}
