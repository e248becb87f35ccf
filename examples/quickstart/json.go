//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// lineWidth is how long a JSON value may be to stay on one line.
const lineWidth = 110

// printJSON prints a value's JSON form: what fits on a line stays on one.
func printJSON(out io.Writer, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, layOut(text, ""))
	return nil
}

// layOut breaks an object or array that is too long into one line for each member.
func layOut(value json.RawMessage, indent string) string {
	if len(indent)+len(value) <= lineWidth || value[0] != '{' && value[0] != '[' {
		return string(value)
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	open, _ := decoder.Token() // what json.Marshal wrote can be read
	var members []string
	for decoder.More() {
		name := ""
		if open == json.Delim('{') {
			key, _ := decoder.Token()
			name = fmt.Sprintf("%q: ", key)
		}
		var member json.RawMessage
		if decoder.Decode(&member) != nil {
			return string(value)
		}
		members = append(members, indent+"  "+name+layOut(member, indent+"  "))
	}
	return string(value[:1]) + "\n" + strings.Join(members, ",\n") + "\n" + indent + string(value[len(value)-1:])
}
