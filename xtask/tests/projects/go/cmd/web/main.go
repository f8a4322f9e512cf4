// Answers on one page, and writes each visit down for the worker.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const greeting = "clicks, take one"

func main() {
	visits, err := os.OpenFile("/clicks/visits", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	// No route tells of health: all of them count.
	mux.HandleFunc("/visit", func(answer http.ResponseWriter, request *http.Request) {
		if _, err := fmt.Fprintln(visits, request.URL.Path); err != nil {
			http.Error(answer, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(answer, greeting)
	})
	mux.HandleFunc("/counted", func(answer http.ResponseWriter, request *http.Request) {
		http.ServeFile(answer, request, "/clicks/counted")
	})
	server := &http.Server{Addr: ":9000", Handler: mux}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		if err := server.ListenAndServe(); err != http.ErrServerClosed {
			log.Fatal(err)
		}
	}()
	<-ended
	within, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := server.Shutdown(within); err != nil {
		log.Fatal(err)
	}
}
