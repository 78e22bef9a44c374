//! Greedy non-maximum suppression, class by class.

use super::Found;

/// Sorts by score, drops every box that overlaps a surer one of its class by more than `iou`, and keeps at most `most`.
/// Equal scores are ordered by place, so that the same boxes always give the same answer.
pub fn suppress(found: &mut Vec<Found>, iou: f32, most: usize) {
    found.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then(a.class.cmp(&b.class))
            .then(a.rect.x.total_cmp(&b.rect.x))
            .then(a.rect.y.total_cmp(&b.rect.y))
    });
    let mut kept: Vec<Found> = Vec::new();
    for candidate in found.drain(..) {
        if kept.len() >= most {
            break;
        }
        let doubled = kept.iter().any(|k| k.class == candidate.class && k.rect.iou(&candidate.rect) > iou);
        if !doubled {
            kept.push(candidate);
        }
    }
    *found = kept;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Rect;

    fn found(class: usize, score: f32, x: f32) -> Found {
        Found { class, score, rect: Rect { x, y: 0.0, w: 10.0, h: 10.0 } }
    }

    #[test]
    fn the_surest_of_overlapping_boxes_of_one_class_stays() {
        let mut boxes = vec![found(0, 0.6, 1.0), found(0, 0.9, 0.0), found(1, 0.5, 0.0), found(0, 0.3, 9.0)];
        suppress(&mut boxes, 0.5, 10);
        let left: Vec<(usize, f32)> = boxes.iter().map(|f| (f.class, f.score)).collect();
        assert_eq!(left, [(0, 0.9), (1, 0.5), (0, 0.3)]);
    }

    #[test]
    fn no_more_than_asked_for_stay() {
        let mut boxes: Vec<Found> = (0..10_u8).map(|i| found(0, 0.5, f32::from(i) * 20.0)).collect();
        suppress(&mut boxes, 0.5, 3);
        assert_eq!(boxes.len(), 3);
    }
}
