//! `-smp`, `-m`: what decides the machine's shape.

use machine::Smp;

use super::{CliError, KeyVals};

/// `-smp VALUE`.
pub(super) fn parse_smp(option: &str, value: &str) -> Result<Smp, CliError> {
    let mut kv = KeyVals::parse(option, value, Some("cpus"))?;
    let mut take = |key| match kv.number(key)? {
        Some(0) => Err(kv.error(format!("parameter '{key}' is 0, expected at least 1"))),
        count => Ok(count),
    };
    let cpus = take("cpus")?;
    let max = take("maxcpus")?;
    let mut product = 1_u64;
    let mut complete = true;
    let mut shape = Smp::default().shape;
    for key in [
        "drawers", "books", "sockets", "dies", "modules", "clusters", "cores", "threads",
    ] {
        let count = take(key)?;
        if matches!(key, "sockets" | "cores") {
            complete &= count.is_some();
        }
        let count = count.unwrap_or(1);
        product = product.saturating_mul(u64::from(count));
        match key {
            "drawers" => shape.drawers = count,
            "books" => shape.books = count,
            "sockets" => shape.sockets = count,
            _ => {}
        }
    }
    let total = max.or(cpus).map_or(product, u64::from);
    if total % product != 0 || (complete && total != product) {
        return Err(kv.error(format!(
            "the topology holds {product} CPUs, expected as many as maxcpus ({total})"
        )));
    }
    let max_cpus = u32::try_from(total)
        .map_err(|_| kv.error(format!("a topology of {total} CPUs is beyond any machine")))?;
    let cpus = cpus.unwrap_or(max_cpus);
    if cpus > max_cpus {
        return Err(kv.error(format!(
            "maxcpus is {max_cpus}, expected at least as many as cpus ({cpus})"
        )));
    }
    kv.finish()?;
    // The product divides the total.
    shape.cores = max_cpus / (shape.drawers * shape.books * shape.sockets);
    Ok(Smp {
        cpus,
        max_cpus,
        shape,
    })
}

/// `-m VALUE`, in bytes.
pub(super) fn parse_memory(option: &str, value: &str) -> Result<u64, CliError> {
    let mut kv = KeyVals::parse(option, value, Some("size"))?;
    let text = kv.require("size", "a size of memory")?;
    let bytes = parse_size(&text).ok_or_else(|| {
        kv.error(format!(
            "size '{text}' is not a size, expected a number with an optional suffix k, M, G, T \
             (M without one)"
        ))
    })?;
    if bytes == 0 {
        return Err(kv.error("a machine without memory, expected at least 1M"));
    }
    for key in ["slots", "maxmem"] {
        if kv.take(key)?.is_some() {
            return Err(kv.error(format!(
                "parameter '{key}' is for memory hotplug, which this version does not offer"
            )));
        }
    }
    kv.finish()?;
    Ok(bytes)
}

/// A size with an optional fraction and suffix; MiB without a suffix.
fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "b" => 0,
        "k" => 10,
        "" | "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        "e" => 60,
        _ => return None,
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let number = |text: &str| {
        if text.bytes().all(|b| b.is_ascii_digit()) {
            text.parse::<u128>().ok()
        } else {
            None
        }
    };
    let mut bytes = number(whole)?.checked_mul(1 << shift)?;
    if !fraction.is_empty() {
        let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        bytes = bytes.checked_add(number(fraction)?.checked_mul(1 << shift)? / scale)?;
    } else if digits.contains('.') {
        return None;
    }
    u64::try_from(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let size = |text: &str| parse_memory("-m", text).map_err(|e| e.to_string());
        assert_eq!(size("512"), Ok(512 << 20));
        assert_eq!(size("1G"), Ok(1 << 30));
        assert_eq!(size("1.5g"), Ok(3 << 29));
        assert_eq!(size("size=64k"), Ok(64 << 10));
        assert_eq!(size("4096b"), Ok(4096));
        let text = |bad: &str| {
            Err(format!(
                "-m {bad}: size '{bad}' is not a size, expected a number with an optional suffix \
                 k, M, G, T (M without one)"
            ))
        };
        for bad in [
            "abc",
            "1x",
            "",
            "1.",
            "-1",
            "99999999999999999999",
            "17E",
            "+1",
        ] {
            assert_eq!(size(bad), text(bad), "{bad}");
        }
        assert_eq!(
            size("0"),
            Err("-m 0: a machine without memory, expected at least 1M".into())
        );
        assert_eq!(
            size("1G,slots=2"),
            Err(
                "-m 1G,slots=2: parameter 'slots' is for memory hotplug, which this version \
                 does not offer"
                    .into()
            )
        );
    }

    #[test]
    fn cpus_and_their_topology() {
        let smp = |text: &str| {
            parse_smp("-smp", text)
                .map(|s| (s.cpus, s.max_cpus))
                .map_err(|e| e.to_string())
        };
        assert_eq!(smp("2"), Ok((2, 2)));
        assert_eq!(smp("1,maxcpus=8"), Ok((1, 8)));
        assert_eq!(smp("maxcpus=8"), Ok((8, 8)));
        assert_eq!(
            smp("cpus=2,drawers=2,books=2,sockets=2,cores=2,maxcpus=16"),
            Ok((2, 16))
        );
        assert_eq!(smp("sockets=2,cores=2"), Ok((4, 4)));
        assert_eq!(smp("4,sockets=2"), Ok((4, 4)));
        assert_eq!(
            smp("0"),
            Err("-smp 0: parameter 'cpus' is 0, expected at least 1".into())
        );
        assert_eq!(
            smp("abc"),
            Err("-smp abc: parameter 'cpus' expects a number, not 'abc'".into())
        );
        assert_eq!(
            smp("2,maxcpus=1"),
            Err("-smp 2,maxcpus=1: maxcpus is 1, expected at least as many as cpus (2)".into())
        );
        assert_eq!(
            smp("2,sockets=1,cores=1"),
            Err(
                "-smp 2,sockets=1,cores=1: the topology holds 1 CPUs, expected as many as \
                 maxcpus (2)"
                    .into()
            )
        );
        assert!(
            smp("4,foo=3")
                .unwrap_err()
                .starts_with("-smp 4,foo=3: invalid parameter 'foo'")
        );
    }
}
