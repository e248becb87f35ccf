package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// deviceList reads the value of -devices. Without one, every device that the Spec names is taken to be there.
func deviceList(list string, spec *ruleset.Spec) ([]flowtable.Link, error) {
	names := declaredDevices(spec)
	if list != "" {
		if file, ok := strings.CutPrefix(list, "@"); ok {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			list = string(text)
		}
		names = strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	}
	links := make([]flowtable.Link, len(names))
	for i, name := range names {
		if err := flowtable.CheckDevice(name); err != nil {
			return nil, usageError{fmt.Errorf("-devices: %w", err)}
		}
		links[i] = flowtable.Link{Name: name}
	}
	return links, nil
}

// declaredDevices are the devices that a Spec names; those that a prefix stands for only a list can tell.
func declaredDevices(spec *ruleset.Spec) []string {
	var names []string
	for _, t := range spec.Tables {
		for _, f := range t.Flowtables {
			for _, d := range f.Devices {
				if d.Name != "" {
					names = append(names, d.Name)
				}
			}
		}
	}
	return names
}
