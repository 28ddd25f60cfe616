//! Serializer 1: objects in Java's serialization, as far as journals are found to hold them: texts, boxed
//! numbers, byte arrays, and `Tagged` around one of these.
//!
//! ```text
//! ac ed 00 05 | object          object: 74 text | 73 class, fields | 75 class, items | 71 reference | 70 null
//! ```
//!
//! Everything that has been read gets a number, by which later parts refer to it.

use std::sync::Arc;

use annals_core::{Error, Result};
use bytes::{Buf, Bytes};

/// The stream's magic number and its version.
const HEADER: [u8; 4] = [0xAC, 0xED, 0x00, 0x05];
/// The number of the first thing that is read.
const FIRST_HANDLE: u32 = 0x7E_0000;
/// How deep objects may hold objects.
const DEPTH_MAX: usize = 32;

const NULL: u8 = 0x70;
const REFERENCE: u8 = 0x71;
const CLASS_DESC: u8 = 0x72;
const OBJECT: u8 = 0x73;
const STRING: u8 = 0x74;
const ARRAY: u8 = 0x75;
const CLASS: u8 = 0x76;
const BLOCK: u8 = 0x77;
const END_BLOCK: u8 = 0x78;
const LONG_BLOCK: u8 = 0x7A;
const LONG_STRING: u8 = 0x7C;

/// The class writes more than its fields.
const WRITE_METHOD: u8 = 0x01;
/// The class is `Serializable`, so its fields are written.
const SERIALIZABLE: u8 = 0x02;

/// A value. What refers to something that was read before shares it.
#[derive(Debug, Clone)]
pub(crate) enum JavaValue {
    Null,
    Text(Arc<str>),
    Byte(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Char(u16),
    Boolean(bool),
    Bytes(Bytes),
    Object(Arc<Object>),
}

/// An object of any class.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) class: Arc<str>,
    /// Its fields by name, those of the classes above it first.
    pub(crate) fields: Vec<(Arc<str>, JavaValue)>,
    /// The objects that it wrote beside its fields.
    pub(crate) written: Vec<JavaValue>,
}

impl Object {
    /// The field `name`.
    pub(crate) fn field(&self, name: &str) -> Option<&JavaValue> {
        self.fields.iter().find(|(field, _)| &**field == name).map(|(_, value)| value)
    }
}

/// The object that `bytes` hold.
///
/// # Errors
/// `Corrupt` if they are cut or no such stream; `Unsupported` if they hold something of another kind.
pub(crate) fn read(bytes: &Bytes) -> Result<JavaValue> {
    let mut rest = bytes.clone();
    if rest.try_get_u32().ok() != Some(u32::from_be_bytes(HEADER)) {
        return Err(Error::corrupt("a payload of serializer 1 is not in Java's serialization"));
    }
    let mut reader = Reader { rest, handles: Vec::new() };
    let value = reader.value(DEPTH_MAX)?;
    match reader.rest.is_empty() {
        true => Ok(value),
        false => Err(Error::corrupt("bytes follow an object in Java's serialization")),
    }
}

/// The bytes of a text.
///
/// # Errors
/// `Invalid` if it is longer than 64 KiB.
pub(crate) fn write_text(text: &str) -> Result<Vec<u8>> {
    let mut encoded = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let [high, low] = unit.to_be_bytes();
        let six = |byte: u8| 0x80 | (byte & 0x3F);
        match unit {
            0x01..=0x7F => encoded.push(low),
            0..=0x7FF => encoded.extend([0xC0 | (high << 2) | (low >> 6), six(low)]),
            _ => encoded.extend([0xE0 | (high >> 4), six((high << 2) | (low >> 6)), six(low)]),
        }
    }
    let length = u16::try_from(encoded.len())
        .map_err(|_| Error::invalid("a text is too long for Java's short form of texts"))?;
    Ok([&HEADER[..], &[STRING], &length.to_be_bytes(), &encoded].concat())
}

/// What a class says of the objects that follow.
#[derive(Debug)]
struct ClassDesc {
    name: Arc<str>,
    flags: u8,
    fields: Vec<(u8, Arc<str>)>,
    above: Option<Arc<ClassDesc>>,
}

/// Something that can be referred to.
#[derive(Debug, Clone)]
enum Handle {
    Class(Arc<ClassDesc>),
    Value(JavaValue),
    /// An object whose end has not been read: a reference to it would be a circle.
    Open,
}

struct Reader {
    rest: Bytes,
    handles: Vec<Handle>,
}

impl Reader {
    fn value(&mut self, depth: usize) -> Result<JavaValue> {
        let kind = self.byte()?;
        self.value_of(kind, depth)
    }

    fn value_of(&mut self, kind: u8, depth: usize) -> Result<JavaValue> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(unsupported("it nests too deep"));
        };
        match kind {
            NULL => Ok(JavaValue::Null),
            STRING | LONG_STRING => {
                let text = JavaValue::Text(self.string_of(kind)?);
                self.handles.push(Handle::Value(text.clone()));
                Ok(text)
            }
            REFERENCE => match self.reference()? {
                Handle::Value(value) => Ok(value),
                Handle::Class(_) => Ok(JavaValue::Null),
                Handle::Open => Err(unsupported("an object refers to itself")),
            },
            OBJECT => self.object(depth),
            ARRAY => self.array(depth),
            // A class as a value means nothing to us; its name is in its description.
            CLASS => {
                self.class(depth)?;
                self.handles.push(Handle::Value(JavaValue::Null));
                Ok(JavaValue::Null)
            }
            kind => Err(unsupported(format_args!("it holds a part of kind {kind:#x}"))),
        }
    }

    fn object(&mut self, depth: usize) -> Result<JavaValue> {
        let Some(class) = self.class(depth)? else { return Err(damaged()) };
        let handle = self.open();
        let mut object =
            Object { class: class.name.clone(), fields: Vec::new(), written: Vec::new() };
        // The fields of the highest class come first.
        let mut classes = Vec::new();
        let mut above = Some(&class);
        while let Some(class) = above {
            classes.push(class.clone());
            above = class.above.as_ref();
        }
        for class in classes.iter().rev() {
            if class.flags & SERIALIZABLE == 0 {
                return Err(unsupported(format_args!("{} writes itself", class.name)));
            }
            for (kind, name) in &class.fields {
                object.fields.push((name.clone(), self.field(*kind, depth)?));
            }
            if class.flags & WRITE_METHOD != 0 {
                self.annotation(depth, &mut object.written)?;
            }
        }
        let value = unboxed(object);
        self.close(handle, &value);
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<JavaValue> {
        let Some(class) = self.class(depth)? else { return Err(damaged()) };
        let handle = self.open();
        let length = self.length()?;
        if &*class.name != "[B" {
            return Err(unsupported(format_args!("it holds an array of {}", class.name)));
        }
        let value = JavaValue::Bytes(self.take(length)?);
        self.close(handle, &value);
        Ok(value)
    }

    fn field(&mut self, kind: u8, depth: usize) -> Result<JavaValue> {
        let cut = |_| damaged();
        Ok(match kind {
            b'B' => JavaValue::Byte(self.rest.try_get_i8().map_err(cut)?),
            b'S' => JavaValue::Short(self.rest.try_get_i16().map_err(cut)?),
            b'I' => JavaValue::Int(self.rest.try_get_i32().map_err(cut)?),
            b'J' => JavaValue::Long(self.rest.try_get_i64().map_err(cut)?),
            b'F' => JavaValue::Float(self.rest.try_get_f32().map_err(cut)?),
            b'D' => JavaValue::Double(self.rest.try_get_f64().map_err(cut)?),
            b'C' => JavaValue::Char(self.rest.try_get_u16().map_err(cut)?),
            b'Z' => JavaValue::Boolean(self.byte()? != 0),
            b'L' | b'[' => self.value(depth)?,
            _ => return Err(damaged()),
        })
    }

    /// A class, described here or referred to; `None` for no class at all.
    fn class(&mut self, depth: usize) -> Result<Option<Arc<ClassDesc>>> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(unsupported("it nests too deep"));
        };
        match self.byte()? {
            NULL => Ok(None),
            REFERENCE => match self.reference()? {
                Handle::Class(class) => Ok(Some(class)),
                _ => Err(damaged()),
            },
            CLASS_DESC => self.described(depth).map(Some),
            kind => Err(unsupported(format_args!("it holds a class of kind {kind:#x}"))),
        }
    }

    fn described(&mut self, depth: usize) -> Result<Arc<ClassDesc>> {
        let name = self.string_of(STRING)?;
        self.take(8)?;
        let handle = self.open();
        let flags = self.byte()?;
        let count = self.rest.try_get_u16().map_err(|_| damaged())?;
        let mut fields = Vec::new();
        for _ in 0..count {
            let kind = self.byte()?;
            fields.push((kind, self.string_of(STRING)?));
            if matches!(kind, b'L' | b'[') {
                // The field's type.
                self.value(depth)?;
            }
        }
        self.annotation(depth, &mut Vec::new())?;
        let above = self.class(depth)?;
        let class = Arc::new(ClassDesc { name, flags, fields, above });
        if let Some(open) = self.handles.get_mut(handle) {
            *open = Handle::Class(class.clone());
        }
        Ok(class)
    }

    /// What a class wrote beside fields: raw bytes, which are skipped, and objects.
    fn annotation(&mut self, depth: usize, written: &mut Vec<JavaValue>) -> Result<()> {
        loop {
            match self.byte()? {
                END_BLOCK => return Ok(()),
                BLOCK => {
                    let length = self.byte()?;
                    self.take(length.into())?;
                }
                LONG_BLOCK => {
                    let length = self.length()?;
                    self.take(length)?;
                }
                kind => written.push(self.value_of(kind, depth)?),
            }
        }
    }

    fn open(&mut self) -> usize {
        self.handles.push(Handle::Open);
        self.handles.len() - 1
    }

    fn close(&mut self, handle: usize, value: &JavaValue) {
        if let Some(open) = self.handles.get_mut(handle) {
            *open = Handle::Value(value.clone());
        }
    }

    fn reference(&mut self) -> Result<Handle> {
        let number = self.rest.try_get_u32().map_err(|_| damaged())?;
        let index = number.checked_sub(FIRST_HANDLE).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.handles.get(index)).cloned().ok_or_else(damaged)
    }

    fn string_of(&mut self, kind: u8) -> Result<Arc<str>> {
        let length = match kind {
            LONG_STRING => {
                let length = self.rest.try_get_u64().map_err(|_| damaged())?;
                usize::try_from(length).unwrap_or(usize::MAX)
            }
            _ => self.rest.try_get_u16().map_err(|_| damaged())?.into(),
        };
        let bytes = self.take(length)?;
        text(&bytes).ok_or_else(damaged)
    }

    fn length(&mut self) -> Result<usize> {
        let length = self.rest.try_get_i32().map_err(|_| damaged())?;
        usize::try_from(length).map_err(|_| damaged())
    }

    fn byte(&mut self) -> Result<u8> {
        self.rest.try_get_u8().map_err(|_| damaged())
    }

    fn take(&mut self, length: usize) -> Result<Bytes> {
        if length > self.rest.len() {
            return Err(damaged());
        }
        Ok(self.rest.split_to(length))
    }
}

/// A number or a boolean in its box as itself.
fn unboxed(object: Object) -> JavaValue {
    let boxes = ["Byte", "Short", "Integer", "Long", "Float", "Double", "Character", "Boolean"];
    let is_box = object.class.strip_prefix("java.lang.").is_some_and(|name| boxes.contains(&name));
    match object.field("value") {
        Some(value) if is_box => value.clone(),
        _ => JavaValue::Object(Arc::new(object)),
    }
}

/// Java's modified UTF-8: UTF-16 code units, each in up to three bytes, and no zero byte. Surrogates
/// without their other half become `?`, as Java writes them elsewhere.
fn text(bytes: &[u8]) -> Option<Arc<str>> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut bytes = bytes.iter().copied();
    while let Some(first) = bytes.next() {
        let mut six =
            || bytes.next().filter(|byte| byte & 0xC0 == 0x80).map(|byte| u16::from(byte & 0x3F));
        units.push(match first {
            0x01..=0x7F => u16::from(first),
            0xC0..=0xDF => (u16::from(first & 0x1F) << 6) | six()?,
            0xE0..=0xEF => (u16::from(first & 0x0F) << 12) | (six()? << 6) | six()?,
            _ => return None,
        });
    }
    let chars = char::decode_utf16(units).map(|unit| unit.unwrap_or('?'));
    Some(chars.collect::<String>().into())
}

fn damaged() -> Error {
    Error::corrupt("an object in Java's serialization is damaged")
}

fn unsupported(what: impl std::fmt::Display) -> Error {
    Error::unsupported(format!(
        "a payload of serializer 1 (Java's serialization) cannot be read: {what}; it is kept as it is"
    ))
}
