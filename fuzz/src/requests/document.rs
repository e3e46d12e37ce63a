//! The operations of the `OpenAPI` document, and values for their schemas.

use serde_json::{Map, Value, json};

use crate::draw::Draw;

/// Deepest value that is made of a schema.
const DEEPEST: u32 = 8;

/// A route and method with what it takes.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The method, in capitals.
    pub method: String,
    /// The path with its variables in braces.
    pub path: String,
    /// Names and schemas of its query.
    pub query: Vec<(String, Value)>,
    /// Type and schema of its body.
    pub body: Option<(String, Value)>,
}

/// What a document describes.
pub struct Document {
    /// Its operations.
    pub operations: Vec<Operation>,
    schemas: Map<String, Value>,
}

impl Document {
    /// Reads a document.
    pub fn new(document: &Value) -> Self {
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, described) in item.as_object().into_iter().flatten() {
                operations.push(operation(path, method, described));
            }
        }
        let schemas = document["components"]["schemas"].as_object().cloned().unwrap_or_default();
        Self { operations, schemas }
    }

    /// A value that fits a schema, mostly.
    pub fn value(&self, schema: &Value, draw: &mut Draw<'_>, depth: u32) -> Value {
        if depth > DEEPEST || draw.once_in(32) {
            return odd(draw);
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            return match self.schemas.get(name) {
                Some(schema) => self.value(schema, draw, depth + 1),
                None => Value::Null,
            };
        }
        for several in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[several].as_array().filter(|choices| !choices.is_empty())
            {
                let choice = &choices[draw.below(choices.len())];
                return self.value(choice, draw, depth + 1);
            }
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let mut whole = Map::new();
            for part in parts {
                if let Value::Object(fields) = self.value(part, draw, depth + 1) {
                    whole.extend(fields);
                }
            }
            return whole.into();
        }
        if let Some(words) = schema["enum"].as_array().filter(|words| !words.is_empty()) {
            return words[draw.below(words.len())].clone();
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) if !kinds.is_empty() => &kinds[draw.below(kinds.len())],
            kind => kind,
        };
        match kind.as_str() {
            Some("object") => self.object(schema, draw, depth),
            Some("array") => {
                (0..draw.below(4)).map(|_| self.value(&schema["items"], draw, depth + 1)).collect()
            }
            Some("boolean") => Value::Bool(draw.once_in(2)),
            Some("integer") => whole(draw),
            Some("number") => real(draw),
            Some("string") => word(draw).into(),
            _ => odd(draw),
        }
    }

    fn object(&self, schema: &Value, draw: &mut Draw<'_>, depth: u32) -> Value {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let mut object = Map::new();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let is_needed = required.contains(&json!(name));
            let is_there = if is_needed { !draw.once_in(32) } else { draw.once_in(3) };
            if is_there {
                object.insert(name.clone(), self.value(schema, draw, depth + 1));
            }
        }
        object.into()
    }
}

fn operation(path: &str, method: &str, described: &Value) -> Operation {
    let parameters = described["parameters"].as_array().into_iter().flatten();
    let query = parameters
        .filter(|parameter| parameter["in"] == "query")
        .map(|it| (it["name"].as_str().unwrap_or_default().to_owned(), it["schema"].clone()));
    let content = described["requestBody"]["content"].as_object();
    let body = content.and_then(|content| content.iter().next());
    Operation {
        method: method.to_uppercase(),
        path: path.to_owned(),
        query: query.collect(),
        body: body.map(|(kind, content)| (kind.clone(), content["schema"].clone())),
    }
}

/// A whole number, often one at an edge.
fn whole(draw: &mut Draw<'_>) -> Value {
    match draw.below(8) {
        0 => json!(0),
        1 => json!(1),
        2 => json!(-1),
        3 => json!(draw.of(&[u64::from(u32::MAX), 1 << 32, i64::MAX as u64, u64::MAX])),
        4 => json!(draw.of(&[i64::MIN, -2_147_483_648, 255, 256, 65_536, 1_000_000])),
        _ => json!(draw.byte()),
    }
}

/// A number, often one at an edge.
fn real(draw: &mut Draw<'_>) -> Value {
    match draw.below(4) {
        0 => json!(draw.of(&[0.0, -0.0, 1.0, 1e308, -1e308, 5e-324, 1e-9])),
        1 => whole(draw),
        _ => json!(f64::from(draw.byte()) / 64.0),
    }
}

/// A text: a word that means something somewhere, or anything.
pub fn word(draw: &mut Draw<'_>) -> String {
    const WORDS: [&str; 44] = [
        "",
        "shapes",
        "photos",
        "mae",
        "stripes",
        "train",
        "test",
        "pretrain",
        "probe",
        "finetune",
        "knn",
        "seed",
        "probe.epochs",
        "pretrain.poisons",
        "attack.trigger.kind",
        "asr",
        "ca",
        "asr > 0.5",
        "kind == \"probe\" && seed in [1, 2]",
        "!(a",
        "name.startsWith(\"a\")",
        "((((((1))))))",
        "size([1]) > 0",
        "svg",
        "png",
        "csv",
        "pdf",
        "asr-by-poison.svg",
        "-seed",
        "seed,probe.poisons",
        "timm",
        "huggingface",
        "model.safetensors",
        "cuda:0",
        "auto",
        "done",
        "1",
        "-1",
        "9223372036854775808",
        "../run.json",
        "%2e%2e%2f",
        "\u{0}",
        "\u{202e}",
        "É😀",
    ];
    match draw.below(8) {
        0 => draw.text(),
        1 => draw.of(&["a", "É", "(", "%", "\"", "1+"]).repeat(1 << draw.below(13)),
        _ => draw.of(&WORDS).to_owned(),
    }
}

/// A value that fits nothing in particular.
pub fn odd(draw: &mut Draw<'_>) -> Value {
    match draw.below(8) {
        0 => Value::Null,
        1 => Value::Bool(true),
        2 => whole(draw),
        3 => real(draw),
        4 => word(draw).into(),
        5 => json!([]),
        6 => json!({}),
        _ => {
            let depth = 1 << draw.below(8);
            (0..depth).fold(json!(0), |inner, _| json!([inner]))
        }
    }
}

/// A field or an item, at any depth, or the whole.
fn chosen<'v>(value: &'v mut Value, draw: &mut Draw<'_>) -> &'v mut Value {
    let count = match value {
        Value::Object(fields) => fields.len(),
        Value::Array(items) => items.len(),
        _ => 0,
    };
    if count == 0 || draw.once_in(6) {
        return value;
    }
    let at = draw.below(count);
    let next = match value {
        Value::Object(fields) => fields.values_mut().nth(at),
        Value::Array(items) => items.get_mut(at),
        _ => None,
    };
    chosen(next.expect("a number below their count"), draw)
}

/// Changes a value in a few places.
pub fn changed(mut value: Value, draw: &mut Draw<'_>) -> Value {
    for _ in 0..draw.below(5) {
        let place = chosen(&mut value, draw);
        match (draw.below(4), &mut *place) {
            (0, Value::Object(fields)) => {
                let name = word(draw);
                fields.insert(name, odd(draw));
            }
            (1, Value::Array(items)) => {
                let more = items.first().cloned().unwrap_or_default();
                let times = 1 << draw.below(8);
                items.extend(std::iter::repeat_n(more, times));
            }
            (2, Value::Number(_)) => *place = whole(draw),
            (_, Value::Number(_)) => *place = real(draw),
            (_, Value::String(_)) => *place = word(draw).into(),
            _ => *place = odd(draw),
        }
    }
    value
}
