package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// A Module is what is known of a kernel module.
type Module struct {
	State    ModuleState
	Evidence string
}

// A ModuleState says whether a module's code is there.
type ModuleState int

// The states. Missing is what neither /sys nor the lists of /lib/modules know.
const (
	ModuleUnknown   ModuleState = iota
	ModuleLoaded                // in /sys/module
	ModuleBuiltIn               // in modules.builtin
	ModuleAvailable             // in modules.dep: the kernel loads it when it is needed, if modprobe is there
	ModuleMissing
)

// findModule looks for a module in the files of a machine whose kernel has this release.
func findModule(root fs.FS, release, name string) Module {
	if _, err := fs.Stat(root, "sys/module/"+name); err == nil {
		return Module{ModuleLoaded, "/sys/module/" + name + " is there"}
	}
	for _, list := range []struct {
		file  string
		state ModuleState
	}{{"modules.builtin", ModuleBuiltIn}, {"modules.dep", ModuleAvailable}} {
		file := path.Join("lib/modules", release, list.file)
		found, err := lists(root, file, name)
		switch {
		case found:
			return Module{list.state, "/" + file + " lists it"}
		case err != nil:
			return Module{ModuleUnknown, fmt.Sprintf("/sys/module has none, and it may be built in: %v", err)}
		}
	}
	return Module{ModuleMissing, "neither /sys/module nor /lib/modules/" + release + " has it"}
}

// lists reports whether a list of modprobe names a module, on a line of its own or before a colon.
func lists(root fs.FS, file, name string) (bool, error) {
	f, err := root.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadString('\n')
		module, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		module, _, _ = strings.Cut(path.Base(module), ".ko")
		if strings.ReplaceAll(module, "-", "_") == name {
			return true, nil
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}
