// Counts the visits that were written down.
package main

import (
	"bytes"
	"log"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func count() error {
	visits, err := os.ReadFile("/clicks/visits")
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	number := strconv.Itoa(bytes.Count(visits, []byte("\n")))
	if err := os.WriteFile("/clicks/counted.new", []byte(number), 0o644); err != nil {
		return err
	}
	return os.Rename("/clicks/counted.new", "/clicks/counted")
}

func main() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	for {
		if err := count(); err != nil {
			log.Print(err)
		}
		select {
		case <-ended:
			return
		case <-time.After(time.Second):
		}
	}
}
