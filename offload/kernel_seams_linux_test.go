package offload

// What this machine's kernel can do beside what a Kernel has to: none of it may get lost on the way through the wrapper.
var (
	_ Eventful = machine{}
	_ Lockable = machine{}
	_ Prober   = machine{}
	_ mannered = machine{}
	_ tunable  = machine{}
	_ writable = machine{}
	_ placed   = machine{}
	_ routed   = machine{}
)
