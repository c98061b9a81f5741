//! What happens to volumes while a container is made: its anonymous ones come into being, and empty ones get what the image
//! has at their place.

use std::collections::BTreeSet;
use std::path::Path;

use fsroot::Root;
use id::ContainerId;
use image::RootfsMount;
use rustix::fs::{FileType, Mode, OFlags};
use spec::ContainerSpec;
use units::volume::clean_path;

use super::Points;
use crate::Error;
use crate::containers::identity::mount_detached;
use crate::engine::Shared;

impl Points {
    /// Makes a volume for each of `Config.Volumes` (the image's among them) that nothing is mounted on, and fills the
    /// volumes that want it from the container's files. Links in an image lead nowhere but inside it.
    pub(crate) fn fill(&mut self, shared: &Shared, rootfs: &RootfsMount, spec: &ContainerSpec) -> Result<(), Error> {
        let open = || -> Result<Root, Error> {
            let fd = mount_detached(rootfs).map_err(|e| Error::Io {
                op: "mount",
                path: rootfs.upper.clone(),
                source: e.into(),
            })?;
            Ok(Root::from_fd(fd))
        };
        let tmpfs = spec.host.tmpfs.iter().flatten().map(|(path, _)| clean_path(path));
        let mut taken: BTreeSet<String> = tmpfs.chain(self.all.iter().map(|p| p.destination.clone())).collect();
        let mut root = None;
        for (path, _) in spec.config.volumes.iter().flatten() {
            let destination = clean_path(path);
            if !taken.insert(destination.clone()) {
                continue;
            }
            let root = match &root {
                Some(root) => root,
                None => root.insert(open()?),
            };
            let found = root.stat(Path::new(&destination));
            if found.is_ok_and(|s| FileType::from_raw_mode(s.st_mode) != FileType::Directory) {
                let text = format!("cannot mount volume over existing file, file exists {destination}");
                return Err(Error::Volume(text));
            }
            self.declared_volumes(shared, spec, &destination)?;
        }
        for point in self.all.iter().filter(|p| p.kind == "volume" && p.copy) {
            let root = match &root {
                Some(root) => root,
                None => root.insert(open()?),
            };
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
            // Nothing there, or no directory: nothing to copy.
            let Ok(from) = root.open_inside(Path::new(&point.destination), flags, Mode::empty()) else { continue };
            let others = self.others_use(shared, &point.name);
            shared.volumes.populate(&point.name, self.id.as_str(), &from, others)?;
        }
        Ok(())
    }

    fn others_use(&self, shared: &Shared, name: &str) -> bool {
        let except: Option<&ContainerId> = Some(&self.id);
        !shared.volume_users(name, except).is_empty()
    }
}
