//! Key-controlled protection: whether an access under a key reaches a block of storage (Principles
//! of Operation, chapter 3, "Key-Controlled Protection", "Fetch-Protection Override" and
//! "Storage-Protection Override").
//!
//! The rule alone. Which accesses are subject to it is the business of those who make them; where
//! keys are kept is [`super::keys`]'.

/// CR0 bit 38: fetch-protection override.
pub const FETCH_OVERRIDE: u64 = 1 << (63 - 38);
/// CR0 bit 39: storage-protection override.
pub const STORAGE_OVERRIDE: u64 = 1 << (63 - 39);

/// Storage key: access-control bits.
const ACCESS_CONTROL: u8 = 0xf0;
/// Storage key: fetch protection.
const FETCH_PROTECTION: u8 = 0x08;
/// Access control of blocks that storage-protection override opens to all.
const OVERRIDE_KEY: u8 = 9;
/// Effective addresses below this are those of fetch-protection override.
pub const FETCH_OVERRIDE_END: u64 = 2048;

/// A key that an access is made under, and the overrides that apply to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccessKey {
    key: u8,
    fetch_override: bool,
    storage_override: bool,
}

/// What a block allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// Fetching and storing.
    All,
    /// Fetching at any address.
    Fetch,
    /// Fetching at effective addresses below [`FETCH_OVERRIDE_END`].
    FetchLow,
    /// Nothing.
    Nothing,
}

impl AccessKey {
    /// The key that opens everything.
    pub const ZERO: Self = Self {
        key: 0,
        fetch_override: false,
        storage_override: false,
    };

    /// A key, 0 to 15, under a CPU's control register 0. In a private address space there is no
    /// fetch-protection override.
    pub fn new(key: u8, cr0: u64, is_private: bool) -> Self {
        match key & 15 {
            0 => Self::ZERO,
            key => Self {
                key,
                fetch_override: cr0 & FETCH_OVERRIDE != 0 && !is_private,
                storage_override: cr0 & STORAGE_OVERRIDE != 0,
            },
        }
    }

    /// The key and the overrides, in six bits.
    pub fn bits(self) -> u8 {
        self.key | u8::from(self.fetch_override) << 4 | u8::from(self.storage_override) << 5
    }

    /// Whether nothing is protected from it.
    pub fn is_zero(self) -> bool {
        self.key == 0
    }

    /// What a block with this storage key allows.
    pub fn allowed(self, storage_key: u8) -> Allowed {
        let block = (storage_key & ACCESS_CONTROL) >> 4;
        if self.key == 0 || self.key == block || self.storage_override && block == OVERRIDE_KEY {
            Allowed::All
        } else if storage_key & FETCH_PROTECTION == 0 {
            Allowed::Fetch
        } else if self.fetch_override {
            Allowed::FetchLow
        } else {
            Allowed::Nothing
        }
    }
}

impl Allowed {
    /// Whether a store is allowed.
    pub fn store(self) -> bool {
        self == Self::All
    }

    /// Whether a fetch from this effective address is allowed.
    pub fn fetch(self, address: u64) -> bool {
        match self {
            Self::All | Self::Fetch => true,
            Self::FetchLow => address < FETCH_OVERRIDE_END,
            Self::Nothing => false,
        }
    }

    /// Whether every fetch from the block is allowed.
    pub fn fetch_all(self) -> bool {
        matches!(self, Self::All | Self::Fetch)
    }
}
