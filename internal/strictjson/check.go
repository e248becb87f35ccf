package strictjson

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// A reader compares a JSON document, known to be well formed, with a type. encoding/json alone is laxer: it knows no
// places, takes field names in any case, takes a field twice, and lets every type with an UnmarshalJSON be lax below itself.
type reader struct {
	data   []byte
	tokens *json.Decoder // with UseNumber
}

// check reads one value and compares it with a type.
func (s *reader) check(path string, t reflect.Type) error {
	start := s.next()
	token, err := s.tokens.Token()
	if err != nil {
		return mistake(start, path, err)
	}
	if token == nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice) {
		return nil
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Struct && token == json.Delim('{'):
		return s.checkObject(path, t)
	case isList(t) && token == json.Delim('['):
		return s.checkList(path, t)
	}
	if problem := unfitToken(token, t); problem != "" {
		return mistake(start, path, fmt.Errorf("want %s, found %s", problem, describe(token)))
	}
	return nil
}

func (s *reader) checkObject(path string, t reflect.Type) error {
	seen := map[string]bool{}
	for s.tokens.More() {
		start := s.next()
		token, err := s.tokens.Token()
		if err != nil {
			return mistake(start, path, err)
		}
		name, _ := token.(string)
		field, ok := fieldNamed(t, name)
		inner := joinPath(path, name)
		if !ok {
			if !isPlain(name) {
				inner = joinPath(path, strconv.Quote(name))
			}
			return mistake(start, inner, fmt.Errorf("unknown field; known here: %s", strings.Join(fieldNames(t), ", ")))
		}
		if seen[name] {
			return mistake(start, inner, fmt.Errorf("the field is given twice; remove one"))
		}
		seen[name] = true
		if err := s.check(inner, field.Type); err != nil {
			return err
		}
	}
	_, err := s.tokens.Token()
	return err
}

func (s *reader) checkList(path string, t reflect.Type) error {
	for i := 0; s.tokens.More(); i++ {
		if err := s.check(path+"["+strconv.Itoa(i)+"]", t.Elem()); err != nil {
			return err
		}
	}
	_, err := s.tokens.Token()
	return err
}

// next is the byte where the next token begins.
func (s *reader) next() int {
	i := int(s.tokens.InputOffset())
	for i < len(s.data) && strings.IndexByte(" \t\r\n,:", s.data[i]) >= 0 {
		i++
	}
	return i
}

// unfitToken says what a type wants if the token does not fit it; "" if it does.
func unfitToken(token json.Token, t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Struct:
		return "an object"
	case isList(t):
		return "a list"
	case t.Kind() == reflect.Slice:
		text, ok := token.(string)
		if _, err := base64.StdEncoding.DecodeString(text); !ok || err != nil {
			return "bytes as a base64 string"
		}
	case t.Kind() == reflect.String:
		if _, ok := token.(string); !ok {
			return "a string"
		}
	case t.Kind() == reflect.Bool:
		if _, ok := token.(bool); !ok {
			return "true or false"
		}
	default:
		number, ok := token.(json.Number)
		if _, err := strconv.ParseUint(number.String(), 10, t.Bits()); !ok || err != nil {
			return "a whole number from 0 to " + strconv.FormatUint(1<<t.Bits()-1, 10)
		}
	}
	return ""
}

// isList reports whether the type is a JSON list; bytes are a string.
func isList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8
}

// describe names a token in an error.
func describe(token json.Token) string {
	switch v := token.(type) {
	case json.Delim:
		if v == '{' {
			return "an object"
		}
		return "a list"
	case string:
		return "the string " + strconv.Quote(v)
	case json.Number:
		return "the number " + v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return "null"
}

func fieldNamed(t reflect.Type, name string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); jsonName(f) == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func fieldNames(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = jsonName(t.Field(i))
	}
	return names
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// isPlain reports whether a name can stand in a path as it is: no line breaks, no control sequences for a terminal.
func isPlain(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r == ' ' || !strconv.IsPrint(r) })
}

func joinPath(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
