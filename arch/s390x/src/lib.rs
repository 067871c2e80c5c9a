//! The s390x machine: CPU, decode and translation, DAT, interruptions, SCLP, IPL and TOD backends
