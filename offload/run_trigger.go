package offload

import "context"

// triggerKey is where a context carries why Run looked, for the log alone.
type triggerKey struct{}

func withTrigger(ctx context.Context, why string) context.Context {
	return context.WithValue(ctx, triggerKey{}, why)
}

// triggerOf is why a plan is applied: what Run heard of, or "asked for" where a caller did it.
func triggerOf(ctx context.Context) string {
	if why, ok := ctx.Value(triggerKey{}).(string); ok {
		return why
	}
	return "asked for"
}
