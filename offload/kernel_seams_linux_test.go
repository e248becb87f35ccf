package offload

// What this machine's kernel can do beside what a Kernel has to: none of it may get lost on the way through the wrapper.
var (
	_ Tunable  = machine{}
	_ Writable = machine{}
	_ Eventful = machine{}
	_ Lockable = machine{}
	_ Prober   = machine{}
	_ Mannered = machine{}
	_ Modular  = machine{}
	_ Placed   = machine{}
	_ Routed   = machine{}
	_ Surveyor = machine{}
	_ Thrifty  = machine{}
	_ Tabled   = machine{}
)
