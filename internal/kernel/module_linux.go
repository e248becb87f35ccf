package kernel

import "os"

// Module tells whether the machine's kernel has a module, by its files: "nf_flow_table".
func (k *Kernel) Module(name string) Module {
	running, _, err := release()
	if err != nil {
		return Module{ModuleUnknown, err.Error()}
	}
	return findModule(os.DirFS("/"), running, name)
}
