//! The parameters of a call: by position, or by name.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::RpcError;

/// The parameters of a call, in the order of the method's names for them. Absent ones are `null`.
#[derive(Debug)]
pub(super) struct Args {
    names: &'static [&'static str],
    values: Vec<Value>,
}

impl Args {
    /// Brings the parameters into order; refuses what the method does not know.
    pub(super) fn new(names: &'static [&'static str], given: Value) -> Result<Self, RpcError> {
        let mut values = match given {
            Value::Null => Vec::new(),
            Value::Array(values) => values,
            Value::Object(mut by_name) => {
                let values = names.iter().map(|name| by_name.remove(*name).unwrap_or_default()).collect();
                if let Some((unknown, _)) = by_name.into_iter().next() {
                    return Err(RpcError::invalid_params(format!("unknown parameter '{unknown}'")));
                }
                values
            }
            _ => return Err(RpcError::invalid_request("params must be an array or an object")),
        };
        if values.len() > names.len() {
            return Err(RpcError::invalid_params(format!("at most {} parameters: {names:?}", names.len())));
        }
        values.resize(names.len(), Value::Null);
        Ok(Self { names, values })
    }

    /// A parameter that may be left out.
    pub(super) fn optional<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, RpcError> {
        let position = self.names.iter().position(|own| *own == name);
        match position.and_then(|position| self.values.get(position)) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value.clone())
                .map(Some)
                .map_err(|error| RpcError::invalid_params(format!("{name}: {error}"))),
        }
    }

    /// A parameter that is needed.
    pub(super) fn required<T: DeserializeOwned>(&self, name: &str) -> Result<T, RpcError> {
        self.optional(name)?.ok_or_else(|| RpcError::invalid_params(format!("{name} is missing")))
    }

    /// The same, read from text.
    pub(super) fn parsed<T: std::str::FromStr>(&self, name: &str) -> Result<T, RpcError>
    where
        T::Err: std::fmt::Display,
    {
        let text: String = self.required(name)?;
        text.parse().map_err(|error| RpcError::out_of_range(format!("{name}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NAMES: &[&str] = &["height", "verbose"];

    #[test]
    fn by_position_and_by_name_are_the_same() {
        for given in [json!([5, true]), json!({ "verbose": true, "height": 5 })] {
            let args = Args::new(NAMES, given).unwrap();
            assert_eq!(args.required::<u32>("height").unwrap(), 5);
            assert_eq!(args.optional::<bool>("verbose").unwrap(), Some(true));
        }
        for given in [json!([5]), json!([5, null]), json!({ "height": 5 })] {
            assert_eq!(Args::new(NAMES, given).unwrap().optional::<bool>("verbose").unwrap(), None);
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error_with_its_name() {
        assert!(Args::new(NAMES, json!([1, true, 3])).is_err());
        assert!(Args::new(NAMES, json!({ "hight": 1 })).is_err());
        assert!(Args::new(NAMES, json!(5)).is_err());
        let args = Args::new(NAMES, json!(["five"])).unwrap();
        assert!(
            args.required::<u32>("height").unwrap_err().to_json()["message"]
                .as_str()
                .unwrap()
                .contains("height")
        );
        assert!(Args::new(NAMES, Value::Null).unwrap().required::<u32>("height").is_err());
    }
}
