export interface Product {
  id: string;
  name: string;
  priceCents: number;
}

export interface CartLine {
  product: Product;
  quantity: number;
}

export class Cart {
  private lines = new Map<string, CartLine>();

  add(product: Product, quantity = 1): void {
    const line = this.lines.get(product.id);
    if (line) {
      line.quantity += quantity;
    } else {
      this.lines.set(product.id, { product, quantity });
    }
  }

  remove(productId: string): void {
    this.lines.delete(productId);
  }

  /** Sum of all lines, in cents. */
  totalCents(): number {
    let total = 0;
    for (const line of this.lines.values()) {
      total += line.product.priceCents * line.quantity;
    }
    return total;
  }

  isEmpty(): boolean {
    return this.lines.size === 0;
  }
}

export function formatCents(cents: number): string {
  return `${(cents / 100).toFixed(2)} €`;
}
