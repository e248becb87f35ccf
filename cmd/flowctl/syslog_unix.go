//go:build unix

package main

import (
	"io"
	"log/syslog"
)

func systemLog() (io.WriteCloser, error) {
	return syslog.New(syslog.LOG_DAEMON|syslog.LOG_WARNING, "flowctl")
}
