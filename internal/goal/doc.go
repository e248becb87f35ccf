// Package goal holds what a benchmark has to reach, and prints it as one line a goal.
package goal
