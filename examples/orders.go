package orders

import (
	"fmt"
	"strings"
	"time"
)

type Status string

const (
	Open    Status = "open"
	Paid    Status = "paid"
	Shipped Status = "shipped"
)

type Order struct {
	ID        int
	Customer  string
	Cents     int
	Status    Status
	CreatedAt time.Time
}

// Total returns the sum of all orders in cents.
func Total(orders []Order) int {
	total := 0
	for _, order := range orders {
		total += order.Cents
	}
	return total
}

// ByCustomer groups orders by the name of the customer.
func ByCustomer(orders []Order) map[string][]Order {
	groups := make(map[string][]Order)
	for _, order := range orders {
		groups[order.Customer] = append(groups[order.Customer], order)
	}
	return groups
}

// WithStatus returns the orders that have the given status.
func WithStatus(orders []Order, status Status) []Order {
	var found []Order
	for _, order := range orders {
		if order.Status == status {
			found = append(found, order)
		}
	}
	return found
}

func (o Order) String() string {
	return fmt.Sprintf("#%d %s: %.2f (%s)", o.ID, strings.TrimSpace(o.Customer), float64(o.Cents)/100, o.Status)
}
