/// An operation of the API whose shape changed at some time. All others are [`Operation::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as its endpoint")]
pub enum Operation {
    ContainerCreate,
    ContainerInspect,
    ContainerList,
    ContainerStats,
    ContainerStop,
    ContainerUpdate,
    ContainerWait,
    DiskUsage,
    Events,
    ExecCreate,
    ExecStart,
    ImageCreate,
    ImageDelete,
    ImageGet,
    ImageHistory,
    ImageInspect,
    ImageList,
    ImageLoad,
    ImagePush,
    Info,
    NetworkConnect,
    NetworkCreate,
    NetworkInspect,
    VolumePrune,
    Other,
}

impl Operation {
    /// Whether any version changed its response.
    pub(crate) fn response_changed(self) -> bool {
        matches!(
            self,
            Self::ContainerInspect
                | Self::ContainerList
                | Self::ContainerStats
                | Self::DiskUsage
                | Self::Events
                | Self::ImageInspect
                | Self::ImageList
                | Self::Info
                | Self::NetworkInspect
        )
    }
}
