//! Power cuts, as near as a running system comes to them: an ext4 file system on a loop device is shut down under a store
//! at work, so that nothing that is not on the device yet will ever be, its journal included. Then the process is killed,
//! the file system is mounted again, and the store must have all that it answered.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use atlas_testkit::history::{History, Promise, Random, Verdict};

use crate::extent::variable;
use crate::kill::{PATIENCE, add, end, enough, load, runtime, start};

/// How long clients may take to find out that the disk is gone.
const GONE: Duration = Duration::from_secs(10);
const IMAGE_BYTES: u64 = 256 << 20;
/// `FS_IOC_SHUTDOWN` without a flush of the journal, for systems without xfs_io.
const SHUTDOWN: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// A file system in a file; unmounted with its handle.
struct LoopDisk {
    folder: tempfile::TempDir,
    is_mounted: bool,
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{program} says: {}", said.trim()))
        }
        Err(error) => Err(format!("{program}: {error}")),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl LoopDisk {
    /// An empty file system; the reason if the system gives none.
    fn new() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root may mount a file system".to_owned());
        }
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut disk = Self {
            folder,
            is_mounted: false,
        };
        let image = std::fs::File::create(disk.image()).and_then(|file| file.set_len(IMAGE_BYTES));
        image.map_err(|error| error.to_string())?;
        std::fs::create_dir(disk.path()).map_err(|error| error.to_string())?;
        run("mkfs.ext4", &["-q", "-F", text(&disk.image())])?;
        disk.mount()?;
        // Whether it can be shut down shows only when it is.
        disk.shut_down()?;
        disk.unmount()?;
        disk.mount()?;
        Ok(disk)
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    fn mount(&mut self) -> Result<(), String> {
        let (image, path) = (self.image(), self.path());
        run("mount", &["-o", "loop", text(&image), text(&path)])?;
        self.is_mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), String> {
        let path = self.path();
        // A process that was killed a moment ago may still be letting go of its files.
        let deadline = Instant::now() + PATIENCE;
        loop {
            match run("umount", &[text(&path)]) {
                Ok(()) => break,
                Err(said) if Instant::now() > deadline => return Err(said),
                Err(_) => std::thread::yield_now(),
            }
        }
        self.is_mounted = false;
        Ok(())
    }

    /// From now on nothing reaches the device.
    fn shut_down(&self) -> Result<(), String> {
        let path = self.path();
        let path = text(&path);
        run("xfs_io", &["-x", "-c", "shutdown", path])
            .or_else(|_| run("python3", &["-c", SHUTDOWN, path]))
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        if self.is_mounted {
            let path = self.path();
            let _ = run("umount", &["-l", text(&path)]);
        }
    }
}

/// Cuts the power of a store again and again; what its clients were answered and found, or none where that cannot be done.
fn cuts(fsync: &str, promise: Promise) -> Option<Verdict> {
    let cuts = variable("ATLAS_ENDURANCE_CUTS").unwrap_or(3);
    let seed = variable("ATLAS_ENDURANCE_SEED").unwrap_or(1);
    let (begun, runtime) = (Instant::now(), runtime());
    let mut disk = match LoopDisk::new() {
        Ok(disk) => disk,
        Err(reason) => {
            println!("skipped: {reason}");
            return None;
        }
    };
    let mut random = Random::new(seed);
    let mut history = History::new(random.next(), 6);
    let mut sum = Verdict::default();
    for cut in 0..=cuts {
        let mut node = start(&runtime, &disk.path(), fsync);
        let address = node.listener("store").unwrap();
        let looked = history.verify(address, promise);
        let verdict = looked.unwrap_or_else(|problem| panic!("seed {seed}, cut {cut}: {problem}"));
        add(&mut sum, &verdict);
        if cut == cuts {
            node.terminate().unwrap();
            end(&runtime, node);
            break;
        }
        let (mut load, enough) = (load(&mut random), enough(&mut random) + 100);
        load.is_read_durable = promise == Promise::Everything;
        let lived = history.live(address, &load, |progress| {
            let in_time = progress.wait(enough, PATIENCE, || false);
            let shut_down = disk.shut_down();
            // Whatever is answered from now on must be there, too.
            progress.wait(u64::MAX, GONE, || false);
            node.kill().unwrap();
            shut_down.map(|()| in_time)
        });
        let lived = lived.unwrap_or_else(|problem| panic!("seed {seed}, cut {cut}: {problem}"));
        assert_eq!(lived, Ok(true), "cut {cut}, {enough} answers");
        end(&runtime, node);
        disk.unmount().unwrap();
        disk.mount().unwrap();
    }
    println!(
        "fsync {fsync}: {cuts} power cuts, {} answered, {} lost, {} under way were kept; {:.0} s",
        sum.answered,
        sum.lost,
        sum.unanswered_kept,
        begun.elapsed().as_secs_f64()
    );
    Some(sum)
}

#[test]
fn a_power_cut_takes_nothing_that_was_answered() {
    if let Some(sum) = cuts("every", Promise::Everything) {
        assert_eq!(sum.lost, 0);
    }
}

/// That these cuts are cuts: without a sync they take the latest answers, and only those.
#[test]
fn a_power_cut_takes_the_latest_of_what_was_not_synced() {
    if let Some(sum) = cuts("none", Promise::Beginning) {
        assert!(sum.lost > 0, "{sum:?}");
    }
}
