// SPDX-License-Identifier: MIT

//go:build !race

package pebbledb

const powerLosses = 1000
