package testns

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Sysctl reads a kernel setting of the namespace, such as net.ipv4.ip_forward. A key with a slash is taken as the path under
// /proc/sys, for devices with a dot in their name. A setting that does not exist gives fs.ErrNotExist.
func (n *Namespace) Sysctl(key string) (string, error) {
	var value string
	err := n.Do(func() error {
		data, err := os.ReadFile(sysctlPath(key))
		value = strings.TrimSpace(string(data))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("testns: read sysctl %s in namespace %s: %w", key, n, err)
	}
	return value, nil
}

// SetSysctl writes a kernel setting of the namespace. Those below net.netfilter exist once their module is loaded.
func (n *Namespace) SetSysctl(key, value string) error {
	return n.setSysctls([][2]string{{key, value}})
}

// setSysctls writes several settings from one thread, in order.
func (n *Namespace) setSysctls(settings [][2]string) error {
	return n.Do(func() error {
		for _, s := range settings {
			// No O_CREATE, and no O_TRUNC: these are not files.
			file, err := os.OpenFile(sysctlPath(s[0]), os.O_WRONLY, 0)
			if err == nil {
				_, err = file.WriteString(s[1])
				file.Close()
			}
			if err != nil {
				return fmt.Errorf("testns: set sysctl %s=%s in namespace %s: %w", s[0], s[1], n, err)
			}
		}
		return nil
	})
}

func sysctlPath(key string) string {
	if !strings.Contains(key, "/") {
		key = strings.ReplaceAll(key, ".", "/")
	}
	return filepath.Join("/proc/sys", filepath.Clean("/"+key))
}
