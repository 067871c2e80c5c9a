//! The TOD clock of a guest under KVM on an s390x host: read and set through the VM's device
//! attributes, as a backend of the clock manager.
//!
//! The kernel keeps the guest's clock as a difference to the host's, so it always runs. It is
//! read and set as one value of epoch index and clock (TOD_EXT); a kernel that does not know
//! that attribute says ENXIO, and gets the two halves instead. Any other error is the caller's:
//! the clock has then run on as it was.
//!
//! What was checked: request numbers and layouts against the kernel's ABI, and the behaviour
//! against a fake kernel that fails any call with any errno. It has NOT been run on hardware.

use std::io;
use std::sync::Arc;

use tod::clock::{Captured, ClockBackend, ClockError};
use tod::value::FineTod;
use tod::{HostReading, Timebase, Tod};

use super::kvm_abi::{
    EXT_BYTES, KVM_CAP_VM_ATTRIBUTES, TodAttribute, VmAttributes, ext_image, from_ext_image,
};

/// Why KVM's clock cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum KvmTodError {
    /// The kernel has no VM attributes.
    #[error("this kernel's KVM has no virtual machine attributes (capability 101)")]
    NoAttributes,
    /// The kernel has no TOD attributes.
    #[error("this kernel's KVM cannot read or set the guest's TOD clock: {0}")]
    NoTod(io::Error),
    /// Asking failed.
    #[error("could not ask KVM for its capabilities: {0}")]
    Ask(io::Error),
}

/// The TOD clock of a KVM guest.
pub struct KvmTod<V> {
    vm: V,
    timebase: Arc<Timebase>,
}

fn is_enxio(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENXIO)
}

impl<V: VmAttributes> KvmTod<V> {
    /// The clock of the guest behind this VM.
    ///
    /// # Errors
    /// [`KvmTodError`] if the kernel offers no way to it.
    pub fn new(mut vm: V, timebase: Arc<Timebase>) -> Result<Self, KvmTodError> {
        match vm.check_extension(KVM_CAP_VM_ATTRIBUTES) {
            Ok(answer) if answer > 0 => {}
            Ok(_) => return Err(KvmTodError::NoAttributes),
            Err(error) => return Err(KvmTodError::Ask(error)),
        }
        match vm.has(TodAttribute::Ext) {
            Ok(()) => {}
            Err(error) if is_enxio(&error) => {
                vm.has(TodAttribute::Low).map_err(KvmTodError::NoTod)?;
            }
            Err(error) => return Err(KvmTodError::Ask(error)),
        }
        Ok(Self { vm, timebase })
    }

    /// The clock now.
    ///
    /// # Errors
    /// The call that failed.
    pub fn read(&mut self) -> Result<Tod, ClockError> {
        let mut ext = [0; EXT_BYTES];
        match self.vm.get(TodAttribute::Ext, &mut ext) {
            Ok(()) => {
                let (index, clock) = from_ext_image(&ext);
                return Ok(Tod::new(index, clock));
            }
            Err(error) if is_enxio(&error) => {}
            Err(error) => return Err(failed("read", TodAttribute::Ext, error)),
        }
        let (mut low, mut high) = ([0; 8], [0; 1]);
        self.vm
            .get(TodAttribute::Low, &mut low)
            .map_err(|error| failed("read", TodAttribute::Low, error))?;
        self.vm
            .get(TodAttribute::High, &mut high)
            .map_err(|error| failed("read", TodAttribute::High, error))?;
        Ok(Tod::new(high[0], u64::from_ne_bytes(low)))
    }

    /// Sets the clock.
    ///
    /// # Errors
    /// The call that failed; the clock has run on as it was.
    pub fn write(&mut self, value: Tod) -> Result<(), ClockError> {
        let (index, clock) = (value.epoch_index(), value.clock());
        match self.vm.set(TodAttribute::Ext, &ext_image(index, clock)) {
            Ok(()) => return Ok(()),
            Err(error) if is_enxio(&error) => {}
            Err(error) => return Err(failed("set", TodAttribute::Ext, error)),
        }
        // The high half first: it only checks that the index is 0, so a refusal leaves the
        // clock alone. The low half then sets the clock whole.
        self.vm
            .set(TodAttribute::High, &[index])
            .map_err(|error| failed("set", TodAttribute::High, error))?;
        self.vm
            .set(TodAttribute::Low, &clock.to_ne_bytes())
            .map_err(|error| failed("set", TodAttribute::Low, error))
    }
}

fn failed(action: &str, attribute: TodAttribute, source: io::Error) -> ClockError {
    ClockError::Host {
        action: format!("{action} attribute {} of the VM", attribute.name()),
        source,
    }
}

impl<V: VmAttributes> ClockBackend for KvmTod<V> {
    fn capture(&mut self, at: &HostReading) -> Result<Captured, ClockError> {
        let before = self.timebase.reading();
        let value = self.read()?;
        let after = self.timebase.reading();
        // The call took place somewhere between the two readings; half of what lies between is
        // how wrong the middle can be.
        let taken = after.host.since(before.host);
        let since_at = before.host.since(at.host).bits() + taken.bits() / 2;
        let error_ns = u64::try_from(taken.as_ns() / 2 + 1).unwrap_or(u64::MAX);
        let value = FineTod::from(value).bits().wrapping_sub(since_at as u128);
        Ok(Captured {
            value: FineTod::from_bits(value),
            error_ns: error_ns.saturating_add(at.error_ns()),
            stepped: None,
        })
    }

    fn install(&mut self, value: &Captured, at: &HostReading) -> Result<(), ClockError> {
        let now = self.timebase.reading();
        self.write(value.value.wrapping_add(now.host.since(at.host)).tod())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::shared::test_clocks;
    use std::collections::HashMap;

    /// The calls that a kernel may refuse.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    enum Call {
        Check,
        Has(TodAttribute),
        Get(TodAttribute),
        Set(TodAttribute),
    }

    /// A kernel that does what vm.rst says, unless a call is told to fail.
    struct FakeKernel {
        clock: (u8, u64),
        failures: HashMap<Call, i32>,
        capability: i32,
        calls: Vec<Call>,
        /// Whether the host, and so the guest, has the multiple-epoch facility.
        multiple_epochs: bool,
    }

    impl FakeKernel {
        fn new(index: u8, clock: u64) -> Self {
            Self {
                clock: (index, clock),
                failures: HashMap::new(),
                capability: 1,
                calls: vec![],
                multiple_epochs: true,
            }
        }

        /// A host of before the multiple-epoch facility (z14).
        fn one_epoch(mut self) -> Self {
            self.multiple_epochs = false;
            self
        }

        fn failing(mut self, call: Call, errno: i32) -> Self {
            self.failures.insert(call, errno);
            self
        }

        /// A kernel from before TOD_EXT (4.14).
        fn old(self) -> Self {
            self.failing(Call::Has(TodAttribute::Ext), libc::ENXIO)
                .failing(Call::Get(TodAttribute::Ext), libc::ENXIO)
                .failing(Call::Set(TodAttribute::Ext), libc::ENXIO)
        }

        fn call(&mut self, call: Call) -> io::Result<()> {
            self.calls.push(call);
            match self.failures.get(&call) {
                Some(&errno) => Err(io::Error::from_raw_os_error(errno)),
                None => Ok(()),
            }
        }
    }

    impl VmAttributes for FakeKernel {
        fn check_extension(&mut self, capability: u32) -> io::Result<i32> {
            assert_eq!(capability, 101);
            self.call(Call::Check)?;
            Ok(self.capability)
        }

        fn has(&mut self, attribute: TodAttribute) -> io::Result<()> {
            self.call(Call::Has(attribute))
        }

        fn get(&mut self, attribute: TodAttribute, data: &mut [u8]) -> io::Result<()> {
            self.call(Call::Get(attribute))?;
            match attribute {
                TodAttribute::Low => data.copy_from_slice(&self.clock.1.to_ne_bytes()),
                TodAttribute::High => data.copy_from_slice(&[self.clock.0]),
                TodAttribute::Ext => data.copy_from_slice(&ext_image(self.clock.0, self.clock.1)),
            }
            Ok(())
        }

        fn set(&mut self, attribute: TodAttribute, data: &[u8]) -> io::Result<()> {
            self.call(Call::Set(attribute))?;
            match attribute {
                TodAttribute::Low => {
                    // Setting the clock the old way leaves no index.
                    self.clock = (0, u64::from_ne_bytes(data.try_into().unwrap()));
                }
                TodAttribute::High if data[0] != 0 => {
                    return Err(io::Error::from_raw_os_error(libc::EINVAL));
                }
                TodAttribute::High => {}
                TodAttribute::Ext => {
                    let clock = from_ext_image(data.try_into().unwrap());
                    if clock.0 != 0 && !self.multiple_epochs {
                        return Err(io::Error::from_raw_os_error(libc::EINVAL));
                    }
                    self.clock = clock;
                }
            }
            Ok(())
        }
    }

    const ERRNOS: [i32; 9] = [
        libc::EPERM,
        libc::EINTR,
        libc::EIO,
        libc::ENXIO,
        libc::EFAULT,
        libc::EBUSY,
        libc::EINVAL,
        libc::ENOTTY,
        libc::EOPNOTSUPP,
    ];

    fn tod(kernel: FakeKernel) -> KvmTod<FakeKernel> {
        KvmTod {
            vm: kernel,
            timebase: Arc::clone(test_clocks().1.timebase()),
        }
    }

    fn errno(error: &ClockError) -> Option<i32> {
        match error {
            ClockError::Host { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }

    #[test]
    fn both_interfaces_read_the_same_clock() {
        for kernel in [
            FakeKernel::new(0, 0xe000_0000_1234_5678),
            FakeKernel::new(3, 5),
        ] {
            let (index, clock) = kernel.clock;
            assert_eq!(tod(kernel.old()).read().unwrap(), Tod::new(index, clock));
            assert_eq!(
                tod(FakeKernel::new(index, clock)).read().unwrap(),
                Tod::new(index, clock)
            );
        }
    }

    #[test]
    fn a_new_kernel_is_set_with_one_call() {
        let mut tod = tod(FakeKernel::new(0, 1));
        tod.write(Tod::new(2, 77)).unwrap();
        assert_eq!(tod.vm.clock, (2, 77));
        assert_eq!(tod.vm.calls, [Call::Set(TodAttribute::Ext)]);
    }

    #[test]
    fn an_old_kernel_gets_the_low_half_last_and_no_index() {
        let mut tod = tod(FakeKernel::new(0, 1).old());
        tod.write(Tod::new(0, 77)).unwrap();
        assert_eq!(tod.vm.clock, (0, 77));
        let error = tod.write(Tod::new(1, 78)).unwrap_err();
        assert_eq!(errno(&error), Some(libc::EINVAL));
        assert_eq!(tod.vm.clock, (0, 77), "a refused value has changed nothing");
    }

    /// A guest that has rolled over cannot go on, unnoticed, where there is one epoch.
    #[test]
    fn a_host_of_one_epoch_refuses_an_index_and_its_clock_is_as_it_was() {
        let mut tod = tod(FakeKernel::new(0, 1).one_epoch());
        tod.write(Tod::new(0, u64::MAX)).unwrap();
        let error = tod.write(Tod::new(1, 78)).unwrap_err();
        assert_eq!(errno(&error), Some(libc::EINVAL));
        assert!(error.to_string().contains("TOD_EXT"), "{error}");
        assert_eq!(tod.vm.clock, (0, u64::MAX));
    }

    /// Over the roll-over of 2042 a capture goes back to the index before, an install on to the
    /// one behind.
    #[test]
    fn capture_and_install_carry_into_the_index() {
        let (host, timeline, _) = test_clocks();
        let timebase = timeline.timebase();
        let mut tod = KvmTod {
            vm: FakeKernel::new(1, 1000),
            timebase: Arc::clone(timebase),
        };
        let at = timebase.reading();
        host.advance(1_000_000);
        let captured = tod.capture(&at).unwrap();
        assert_eq!(captured.tod().epoch_index(), 0);
        let before = Tod::new(1, 1000).signed_units_since(captured.tod());
        assert!((before - 4_096_000).abs() <= 1, "{before}");
        let at = timebase.reading();
        host.advance(1_000_000);
        let value = Tod::new(0, u64::MAX - 1000);
        tod.install(&Captured::read(value, 0), &at).unwrap();
        let (index, clock) = tod.vm.clock;
        let after = Tod::new(index, clock).signed_units_since(value);
        assert_eq!(index, 1);
        assert!((after - 4_096_000).abs() <= 1, "{after}");
    }

    /// Every reading call failing with every errno, alone and together.
    #[test]
    fn a_failed_read_is_told_with_its_errno_and_its_attribute() {
        let with_success = || std::iter::once(0).chain(ERRNOS);
        for ext in with_success() {
            for low in with_success() {
                for high in with_success() {
                    let mut kernel = FakeKernel::new(9, 1234);
                    for (attribute, errno) in [
                        (TodAttribute::Ext, ext),
                        (TodAttribute::Low, low),
                        (TodAttribute::High, high),
                    ] {
                        if errno != 0 {
                            kernel = kernel.failing(Call::Get(attribute), errno);
                        }
                    }
                    let result = tod(kernel).read();
                    let expected = match (ext, low, high) {
                        (0, _, _) | (libc::ENXIO, 0, 0) => None,
                        (libc::ENXIO, 0, high) => Some(("TOD_HIGH", high)),
                        (libc::ENXIO, low, _) => Some(("TOD_LOW", low)),
                        (ext, _, _) => Some(("TOD_EXT", ext)),
                    };
                    match (result, expected) {
                        (Ok(value), None) => assert_eq!(value, Tod::new(9, 1234)),
                        (Err(error), Some((name, number))) => {
                            assert_eq!(errno(&error), Some(number));
                            assert!(error.to_string().contains(name), "{error}");
                        }
                        (result, expected) => panic!("{result:?} {expected:?}"),
                    }
                }
            }
        }
    }

    /// Every setting call failing with every errno: whatever fails, the clock is as it was.
    #[test]
    fn a_failed_set_leaves_the_clock_as_it_was() {
        let with_success = || std::iter::once(0).chain(ERRNOS);
        for ext in with_success() {
            for high in with_success() {
                for low in with_success() {
                    let mut kernel = FakeKernel::new(0, 1234);
                    for (attribute, errno) in [
                        (TodAttribute::Ext, ext),
                        (TodAttribute::High, high),
                        (TodAttribute::Low, low),
                    ] {
                        if errno != 0 {
                            kernel = kernel.failing(Call::Set(attribute), errno);
                        }
                    }
                    let mut tod = tod(kernel);
                    let result = tod.write(Tod::new(0, 5678));
                    let succeeds = ext == 0 || (ext == libc::ENXIO && high == 0 && low == 0);
                    assert_eq!(result.is_ok(), succeeds, "{ext} {high} {low}");
                    let now = if succeeds { 5678 } else { 1234 };
                    assert_eq!(tod.vm.clock, (0, now), "{ext} {high} {low}");
                }
            }
        }
    }

    #[test]
    fn a_kernel_without_the_clock_is_refused_at_once() {
        let timebase = || Arc::clone(test_clocks().1.timebase());
        let mut none = FakeKernel::new(0, 0);
        none.capability = 0;
        assert!(matches!(
            KvmTod::new(none, timebase()),
            Err(KvmTodError::NoAttributes)
        ));
        for errno in ERRNOS {
            let kernel = FakeKernel::new(0, 0).failing(Call::Check, errno);
            assert!(matches!(
                KvmTod::new(kernel, timebase()),
                Err(KvmTodError::Ask(_))
            ));
            let kernel = FakeKernel::new(0, 0).failing(Call::Has(TodAttribute::Ext), errno);
            let result = KvmTod::new(kernel, timebase());
            assert_eq!(result.is_ok(), errno == libc::ENXIO);
            let kernel = FakeKernel::new(0, 0)
                .old()
                .failing(Call::Has(TodAttribute::Low), errno);
            assert!(matches!(
                KvmTod::new(kernel, timebase()),
                Err(KvmTodError::NoTod(_))
            ));
        }
        assert!(KvmTod::new(FakeKernel::new(0, 0), timebase()).is_ok());
        assert!(KvmTod::new(FakeKernel::new(0, 0).old(), timebase()).is_ok());
    }

    #[test]
    fn capture_and_install_are_right_at_the_reading_they_were_given() {
        let (host, timeline, _) = test_clocks();
        let timebase = timeline.timebase();
        let mut tod = KvmTod {
            vm: FakeKernel::new(0, 4_096_000_000),
            timebase: Arc::clone(timebase),
        };
        let at = timebase.reading();
        // The call comes a millisecond after the reading; the fake's clock stands, so it shows
        // what it showed then, and the capture goes back by that millisecond.
        host.advance(1_000_000);
        let captured = tod.capture(&at).unwrap();
        let back = 4_096_000_000 - captured.tod().clock();
        assert!(back.abs_diff(4_096_000) <= 1, "{back}");
        assert!(captured.stepped.is_none());
        let at = timebase.reading();
        host.advance(2_000_000);
        tod.install(&Captured::read(Tod::new(0, 1_000_000), 0), &at)
            .unwrap();
        assert!(tod.vm.clock.1.abs_diff(1_000_000 + 2 * 4_096_000) <= 1);
    }
}
