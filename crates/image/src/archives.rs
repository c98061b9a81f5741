use crate::Store;

/// Images as archives: load, save, import.
#[derive(Debug, Clone)]
pub struct Archives {
    pub(crate) store: Store,
}

impl Archives {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }
}
