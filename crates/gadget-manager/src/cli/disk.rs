//! `disk`: the images of the configured stores and their snapshots.

use anyhow::anyhow;
use block::store::{CreateOptions, ImageInfo, ImageRef, SharedStore, Snapshot, StoreError};
use clap::{Args, Subcommand};
use serde_json::json;
use volume::Formatted;

use super::{
    format::{self, FormatArgs},
    output::{self, Progress},
};
use crate::{
    config::{ByteSize, Loaded},
    exit::Failure,
    stack::{self, ImageLock},
};

/// An image, as `STORE/IMAGE`, `STORE/IMAGE@SNAPSHOT` or the name of a configured disk.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The image: STORE/IMAGE, STORE/IMAGE@SNAPSHOT, or the name of a configured disk.
    disk: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The sub-commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the images of one store or of all.
    List {
        /// The store; all of them if left out.
        store: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a new image that reads as zeroes, or a formatted one.
    Create {
        #[command(flatten)]
        target: Target,
        /// Size of the disk, such as 8GiB.
        #[arg(long)]
        size: ByteSize,
        /// Container format around the blocks: raw or vhd, as far as the store knows it.
        #[arg(long)]
        format: Option<String>,
        #[command(flatten)]
        volume: FormatArgs,
    },
    /// Put an empty file system on an image; what it holds is lost.
    Format {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        volume: FormatArgs,
        /// Do it without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Say what is known of an image or snapshot.
    Info(Target),
    /// Change the size of an image. Shrinking needs --shrink.
    Resize {
        #[command(flatten)]
        target: Target,
        /// The new size, such as 16GiB.
        #[arg(long)]
        size: ByteSize,
        /// Allow what is beyond a smaller size to be lost.
        #[arg(long)]
        shrink: bool,
    },
    /// Take a snapshot of an image.
    Snapshot {
        #[command(flatten)]
        target: Target,
        /// A name for it.
        #[arg(long)]
        label: Option<String>,
    },
    /// List the snapshots of an image, oldest first.
    Snapshots(Target),
    /// Put an image back to one of its snapshots (IMAGE@SNAPSHOT); what was written since is lost.
    Restore {
        #[command(flatten)]
        target: Target,
        /// Do it without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Keep a snapshot (IMAGE@SNAPSHOT) from being deleted; Ceph demands it before cloning.
    Protect(Target),
    /// Allow a snapshot without clones to be deleted again.
    Unprotect(Target),
    /// Make a new image that begins as a snapshot (IMAGE@SNAPSHOT) and shares what it does not change.
    Clone {
        #[command(flatten)]
        target: Target,
        /// Name of the new image, in the same store.
        to: String,
    },
    /// Copy to a clone what it shares, so that it stands alone.
    Flatten(Target),
    /// Delete an image or one snapshot.
    Delete {
        #[command(flatten)]
        target: Target,
        /// Delete the image's snapshots too.
        #[arg(long)]
        with_snapshots: bool,
        /// Do it without asking.
        #[arg(long)]
        yes: bool,
    },
}

/// Carries out one of them.
pub(super) async fn disk(loaded: &Loaded, command: &Command) -> Result<(), Failure> {
    match command {
        Command::List { store, json } => list(loaded, store.as_deref(), *json).await,
        Command::Create {
            target,
            size,
            format,
            volume,
        } => {
            let options = CreateOptions {
                size: size.0,
                format: format.clone().filter(|format| format != "raw"),
            };
            create(loaded, target, &options, volume).await
        }
        Command::Format { target, volume, yes } => reformat(loaded, target, volume, *yes).await,
        Command::Info(target) => {
            let (store, image) = resolve(loaded, target, Snapshots::Allowed)?;
            show(&store.info(&image).await?, None, target.json);
            Ok(())
        }
        Command::Resize { target, size, shrink } => {
            let (store, image) = resolve(loaded, target, Snapshots::Refused)?;
            let _lock = ImageLock::take_to_change(&loaded.config, &store, &image.image)?;
            let old = store.info(&image).await?.size;
            if size.0 < old && !shrink {
                let detail = format!(
                    "{size} is smaller than {}; add --shrink if what is beyond may be lost",
                    ByteSize(old)
                );
                return Err(StoreError::invalid(image.to_string(), detail).into());
            }
            show(&store.resize(&image.image, size.0).await?, None, target.json);
            Ok(())
        }
        Command::Snapshot { target, label } => {
            let (store, image) = resolve(loaded, target, Snapshots::Refused)?;
            let snapshot = store.snapshot(&image.image, label.as_deref()).await?;
            show_snapshots(&image.image, &[snapshot], target.json);
            Ok(())
        }
        Command::Snapshots(target) => {
            let (store, image) = resolve(loaded, target, Snapshots::Refused)?;
            show_snapshots(&image.image, &store.snapshots(&image.image).await?, target.json);
            Ok(())
        }
        Command::Protect(target) => protect(loaded, target, true).await,
        Command::Unprotect(target) => protect(loaded, target, false).await,
        Command::Clone { target, to } => {
            let (store, image) = resolve(loaded, target, Snapshots::Required)?;
            let snapshot = image.snapshot.as_deref().unwrap_or_default();
            show(&store.clone_image(&image.image, snapshot, to).await?, None, target.json);
            Ok(())
        }
        Command::Flatten(target) => {
            let (store, image) = resolve(loaded, target, Snapshots::Refused)?;
            let progress = Progress::start("flattening", target.json);
            store.flatten(&image.image, &progress.report()).await?;
            drop(progress);
            show(&store.info(&image).await?, None, target.json);
            Ok(())
        }
        Command::Restore { target, yes } => restore(loaded, target, *yes).await,
        Command::Delete {
            target,
            with_snapshots,
            yes,
        } => delete(loaded, target, *with_snapshots, *yes).await,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Snapshots {
    /// An image or a snapshot, only looked at.
    Allowed,
    /// An image or a snapshot.
    Any,
    Refused,
    Required,
}

/// Finds the store and the image that a target names.
fn resolve(loaded: &Loaded, target: &Target, snapshots: Snapshots) -> Result<(SharedStore, ImageRef), Failure> {
    let configured = loaded
        .config
        .disks
        .iter()
        .find(|disk| *disk.name.get_ref() == target.disk);
    if snapshots != Snapshots::Allowed && configured.is_some_and(|disk| disk.path.is_some()) {
        let remedy = "it is a file or device of this machine: use its own tools";
        return Err(StoreError::unsupported(&target.disk, "managing a disk given by `path`", remedy).into());
    }
    let (store, image) = stack::locate(loaded, &target.disk)?;
    let detail = match (snapshots, &image.snapshot) {
        (Snapshots::Refused, Some(_)) => "this command takes an image, not a snapshot",
        (Snapshots::Required, None) => "say which snapshot: IMAGE@SNAPSHOT; `disk snapshots` lists them",
        _ => return Ok((store, image)),
    };
    Err(StoreError::invalid(&target.disk, detail).into())
}

async fn create(loaded: &Loaded, target: &Target, options: &CreateOptions, volume: &FormatArgs) -> Result<(), Failure> {
    let (store, image) = resolve(loaded, target, Snapshots::Refused)?;
    let volume = volume.options(&image)?;
    // What cannot be is refused before there is an image.
    if let Some(volume) = &volume {
        format::check(&image, options.size, volume)?;
    }
    let info = store.create(&image.image, options).await?;
    let Some(volume) = volume else {
        show(&info, None, target.json);
        return Ok(());
    };
    let made = format::format(loaded, &store, &image, &volume, target.json).await;
    let made = made.inspect_err(|_| {
        eprintln!("{image} was made but not formatted; `disk format` tries that again, `disk delete` takes it away.");
    })?;
    show(&store.info(&image).await?, Some(&made), target.json);
    Ok(())
}

async fn reformat(loaded: &Loaded, target: &Target, volume: &FormatArgs, yes: bool) -> Result<(), Failure> {
    let (store, image) = resolve(loaded, target, Snapshots::Refused)?;
    let Some(volume) = volume.options(&image)? else {
        let detail = "say which file system: --filesystem fat32 or exfat";
        return Err(StoreError::invalid(image.to_string(), detail).into());
    };
    format::check(&image, store.info(&image).await?.size, &volume)?;
    confirm(
        yes,
        &image.image,
        &format!("All files on {} will be lost.", image.image),
    )?;
    let made = format::format(loaded, &store, &image, &volume, target.json).await?;
    show(&store.info(&image).await?, Some(&made), target.json);
    Ok(())
}

async fn list(loaded: &Loaded, only: Option<&str>, json: bool) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for name in stack::store_names(loaded, only)? {
        for info in stack::store(loaded, &name)?.list().await? {
            rows.push([
                format!("{name}/{}", info.name),
                ByteSize(info.size).to_string(),
                info.allocated
                    .map_or("-".to_owned(), |bytes| ByteSize(bytes).to_string()),
                info.format.clone(),
                info.owner.clone().unwrap_or_else(|| "-".to_owned()),
                output::time(info.modified),
            ]);
            values.push(json!({ "store": name, "image": info }));
        }
    }
    if json {
        println!("{:#}", serde_json::Value::Array(values));
    } else {
        output::table(["IMAGE", "SIZE", "USED", "FORMAT", "OWNER", "MODIFIED"], &rows);
    }
    Ok(())
}

async fn protect(loaded: &Loaded, target: &Target, protect: bool) -> Result<(), Failure> {
    let (store, image) = resolve(loaded, target, Snapshots::Required)?;
    let snapshot = image.snapshot.as_deref().unwrap_or_default();
    match protect {
        true => store.protect(&image.image, snapshot).await?,
        false => store.unprotect(&image.image, snapshot).await?,
    }
    show_snapshots(&image.image, &store.snapshots(&image.image).await?, target.json);
    Ok(())
}

async fn restore(loaded: &Loaded, target: &Target, yes: bool) -> Result<(), Failure> {
    let (store, image) = resolve(loaded, target, Snapshots::Required)?;
    let snapshot = image.snapshot.clone().unwrap_or_default();
    confirm(
        yes,
        &image.image,
        &format!("Everything written to {} since {snapshot} will be lost.", image.image),
    )?;
    let _lock = ImageLock::take_to_change(&loaded.config, &store, &image.image)?;
    let progress = Progress::start("restoring", target.json);
    store.restore(&image.image, &snapshot, &progress.report()).await?;
    drop(progress);
    show(&store.info(&ImageRef::live(&image.image)).await?, None, target.json);
    Ok(())
}

async fn delete(loaded: &Loaded, target: &Target, with_snapshots: bool, yes: bool) -> Result<(), Failure> {
    let (store, image) = resolve(loaded, target, Snapshots::Any)?;
    confirm(
        yes,
        &image.image,
        &format!("{image} in {} will be deleted for good.", store.describe()),
    )?;
    match &image.snapshot {
        Some(snapshot) => store.delete_snapshot(&image.image, snapshot).await?,
        None => {
            let _lock = ImageLock::take_to_change(&loaded.config, &store, &image.image)?;
            store.delete(&image.image, with_snapshots).await?;
        }
    }
    if target.json {
        println!("{:#}", json!({ "deleted": image }));
    } else {
        println!("deleted {image}");
    }
    Ok(())
}

/// Asks for the image's name before something that cannot be undone.
pub(super) fn confirm(yes: bool, name: &str, warning: &str) -> Result<(), Failure> {
    use std::io::{IsTerminal, Write};
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(anyhow!("{warning} Add --yes to do it without a terminal").into());
    }
    eprint!("{warning}\nType its name ({name}) to go on: ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| anyhow!("cannot read the answer: {error}"))?;
    if answer.trim() == name {
        Ok(())
    } else {
        Err(anyhow!("nothing was done").into())
    }
}

/// Shows an image, and what was just made on it.
fn show(info: &ImageInfo, made: Option<&Formatted>, json: bool) {
    if json {
        let mut value = json!(info);
        if let Some(made) = made {
            value["filesystem"] = json!(made);
        }
        println!("{value:#}");
        return;
    }
    println!("name:      {}", info.name);
    println!("size:      {} ({} bytes)", ByteSize(info.size), info.size);
    if let Some(allocated) = info.allocated {
        println!("used:      {}", ByteSize(allocated));
    }
    println!("format:    {}", info.format);
    if let Some(made) = made {
        println!("holds:     {}", format::describe(made));
    }
    println!("owner:     {}", info.owner.as_deref().unwrap_or("nobody"));
    println!("modified:  {}", output::time(info.modified));
    for (key, value) in &info.details {
        println!("{:10} {value}", format!("{key}:"));
    }
}

fn show_snapshots(image: &str, snapshots: &[Snapshot], json: bool) {
    if json {
        println!("{:#}", json!({ "image": image, "snapshots": snapshots }));
        return;
    }
    let rows: Vec<_> = snapshots
        .iter()
        .map(|snapshot| {
            [
                format!("{image}@{}", snapshot.id),
                snapshot.label.clone().unwrap_or_else(|| "-".to_owned()),
                snapshot
                    .size
                    .map_or("-".to_owned(), |bytes| ByteSize(bytes).to_string()),
                output::time(snapshot.created),
            ]
        })
        .collect();
    output::table(["SNAPSHOT", "LABEL", "SIZE", "TAKEN"], &rows);
}
