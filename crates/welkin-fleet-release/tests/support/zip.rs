//! Zips made by hand.

use flate2::Crc;

/// An entry, honest until a field is changed.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    /// In the header in front of the data.
    pub local_name: Vec<u8>,
    pub mode: u32,
    pub flags: u16,
    pub method: u16,
    pub content: Vec<u8>,
    pub size: u32,
    pub crc: u32,
}

impl Entry {
    pub fn new(name: &str, mode: u32, content: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(content);
        Self {
            name: name.as_bytes().to_vec(),
            local_name: name.as_bytes().to_vec(),
            mode,
            flags: 0,
            method: 0,
            content: content.to_vec(),
            size: content.len() as u32,
            crc: crc.sum(),
        }
    }

    pub fn deflated(name: &str, content: &[u8]) -> Self {
        use std::io::Write;
        let mut entry = Self::new(name, 0o100_644, content);
        let mut out =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(content).unwrap();
        entry.content = out.finish().unwrap();
        entry.method = 8;
        entry
    }

    /// The fields that both headers have, from the flags to the size.
    fn common(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.method.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.crc.to_le_bytes());
        bytes.extend((self.content.len() as u32).to_le_bytes());
        bytes.extend(self.size.to_le_bytes());
        bytes
    }
}

pub fn zip_of(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let at = bytes.len() as u32;
        bytes.extend(b"PK\x03\x04\x14\x00");
        bytes.extend(entry.common());
        bytes.extend((entry.local_name.len() as u16).to_le_bytes());
        bytes.extend([0; 2]);
        bytes.extend(&entry.local_name);
        bytes.extend(&entry.content);
        directory.extend(b"PK\x01\x02\x14\x03\x14\x00");
        directory.extend(entry.common());
        directory.extend((entry.name.len() as u16).to_le_bytes());
        directory.extend([0; 8]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(at.to_le_bytes());
        directory.extend(&entry.name);
    }
    let at = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend((entries.len() as u16).to_le_bytes());
    bytes.extend((entries.len() as u16).to_le_bytes());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(at.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}
